"""Spans of a real run, received by an OTLP collector that the test serves."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import ObservabilitySettings
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.protos.v1 import aggregator_pb2
from tests.integration.aggregator.fleet import ACCEPTED, INVALID, Device, connect, send_damaged
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN

SPEC = TaskSpec(
    "first",
    "p",
    rounds=1,
    training=CohortSpec(3, 3, 2.0),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)
CALLER = "0af7651916cd43dd8448eb211c80319c"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    server = grpc.server(ThreadPoolExecutor(2))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


def traced(endpoint: str, ratio: float = 1.0) -> ServerSettings:
    return replace(SETTINGS, observability=ObservabilitySettings(otlp_endpoint=endpoint, trace_ratio=ratio))


def test_the_spans_of_a_round(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    kept, endpoint = collector
    with Aggregator(tmp_path / "state", settings=traced(endpoint)) as aggregator:
        with AdminClient(aggregator.admin_address) as admin:
            task = admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32)).task_id
        devices = [Device(index, connect(aggregator.address)) for index in range(4)]
        for device in devices:
            assert device.check_in() is not None
        devices[0].fetch(devices[0].assignment.checkpoint.sha256)  # type: ignore[union-attr]
        assert send_damaged(devices[3]).status == INVALID
        for device in devices[:2]:
            device.report()
        while devices[1].ask().status != ACCEPTED:
            pass
        assert devices[2].report_until_settled().status == ACCEPTED
        request = aggregator_pb2.CheckInRequest(population="none", device_id=devices[0].id)
        devices[0].stub.CheckIn(request, timeout=20, metadata=[("traceparent", f"00-{CALLER}-b7ad6b7169203331-01")])
    names = {one.name for one in kept.spans}
    assert {"SubmitTask", "CheckIn", "FetchArtifact", "Report", "ingest", "snapshot", "commit"} <= names
    by_id = {one.span_id: one for one in kept.spans}
    ingests = [one for one in kept.spans if one.name == "ingest"]
    assert [by_id[one.parent_span_id].name for one in ingests] == ["Report"] * 6
    assert sum(one.status.code == 2 for one in ingests) == 3
    for one in (*ingests, *(one for one in kept.spans if one.name in {"snapshot", "commit"})):
        attributes = {each.key: each.value for each in one.attributes}
        assert attributes["fieldfare.task"].string_value == task
        assert attributes["fieldfare.round"].int_value == 1
    assert {one.name for one in kept.spans if not one.parent_span_id} == names - {"ingest"}
    assert [one.name for one in kept.spans if one.trace_id.hex() == CALLER] == ["CheckIn"]
    everything = b"".join(one.SerializeToString() for one in kept.spans)
    for device in devices:
        assert device.id not in everything
        assert device.id.hex().encode() not in everything


def test_a_share_of_nothing(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    kept, endpoint = collector
    with Aggregator(tmp_path / "state", settings=traced(endpoint, ratio=0.0)) as aggregator:
        Device(0, connect(aggregator.address)).check_in()
    assert kept.spans == []


def test_a_collector_that_is_away_harms_nothing(tmp_path: Path) -> None:
    with Aggregator(tmp_path / "state", settings=traced("http://127.0.0.1:1")) as aggregator:
        assert Device(0, connect(aggregator.address)).check_in() is None


def test_nothing_of_opentelemetry_is_imported_without_an_endpoint(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from fieldfare.aggregator import Aggregator\n"
        f"with Aggregator({str(tmp_path / 'state')!r}):\n"
        "    print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
