"""What Prometheus fetches from a real aggregator, and how docs/operations.md tells of it."""

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import ObservabilitySettings
from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskAction, TaskSpec
from fieldfare.protos.v1 import aggregator_pb2
from tests.integration.aggregator.fleet import ACCEPTED, INVALID, Device, connect, send_damaged
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN

START = np.array([1, 2, 3], np.float32)
SHOWN = replace(SETTINGS, observability=ObservabilitySettings(metrics_listen="127.0.0.1:0"))
SPEC = TaskSpec(
    "first",
    "p",
    rounds=2,
    training=CohortSpec(3, 3, 2.0),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)
DOCS = Path(__file__).parents[4] / "docs" / "operations.md"


@contextmanager
def shown(folder: Path, settings: ServerSettings = SHOWN) -> Iterator[tuple[Aggregator, AdminClient]]:
    with Aggregator(folder / "state", settings=settings) as running, AdminClient(running.admin_address) as admin:
        yield running, admin


def scrape(aggregator: Aggregator) -> str:
    with urllib.request.urlopen(f"http://{aggregator.metrics_address}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def values(text: str) -> dict[str, float]:
    """By name and labels, such as 'fieldfare_calls_total{code=OK,method=CheckIn}'."""
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = ",".join(f"{key}={one.labels[key]}" for key in sorted(one.labels))
            found[f"{one.name}{{{labels}}}"] = one.value
    return found


def test_a_round_is_counted(tmp_path: Path) -> None:
    with shown(tmp_path) as (aggregator, admin):
        task = admin.submit(PLAN, SPEC, weights=START).task_id
        devices = [Device(index, connect(aggregator.address)) for index in range(5)]
        assert Device(9, devices[0].stub, population="empty").check_in() is None
        for device in devices:
            assert device.check_in() is not None
        devices[0].fetch(devices[0].assignment.checkpoint.sha256)  # type: ignore[union-attr]
        assert devices[0].send(devices[0].header(example_count=0), devices[0].payload()).status == INVALID
        assert send_damaged(devices[4]).status == INVALID
        devices[1].report()
        with pytest.raises(grpc.RpcError):
            devices[1].fetch(b"x" * 32)
        middle = values(scrape(aggregator))
        of_task = f"name=first,task={task}"
        assert middle[f"fieldfare_task_round_assigned{{{of_task}}}"] == 5
        assert middle[f"fieldfare_task_round_reported{{{of_task}}}"] == 1
        assert middle[f"fieldfare_task_reports_pending{{{of_task}}}"] == 1
        assert middle[f"fieldfare_task_round_goal{{{of_task}}}"] == 3
        for device in devices[2:4]:
            assert device.report_until_settled().status == ACCEPTED
        # A round's end is told a moment after its receipts.
        while 'fieldfare_rounds_total{kind="training",state="committed"} 1.0' not in (text := scrape(aggregator)):
            pass
        found = values(text)
        assert found[f"fieldfare_task_rounds_committed{{{of_task}}}"] == 1
        assert found["fieldfare_rounds_total{kind=training,state=committed}"] == 1
        assert found["fieldfare_check_ins_total{answer=assignment}"] == 5
        assert found["fieldfare_check_ins_total{answer=come_back}"] == 1
        assert found["fieldfare_receipts_total{status=invalid}"] == 2
        assert found["fieldfare_receipts_total{status=accepted}"] == 2
        assert sum(value for key, value in found.items() if key.startswith("fieldfare_refusals_total")) == 2
        assert found["fieldfare_calls_total{code=OK,method=CheckIn}"] == 6
        assert found["fieldfare_calls_total{code=NOT_FOUND,method=FetchArtifact}"] == 1
        assert found["fieldfare_call_seconds_count{method=Report}"] >= 5
        assert found["fieldfare_received_bytes_total{method=Report}"] > 5 * 12
        assert found["fieldfare_sent_bytes_total{method=FetchArtifact}"] > 12
        assert found["fieldfare_operation_seconds_count{operation=ingest}"] == 6
        assert found["fieldfare_operation_errors_total{operation=ingest}"] == 3
        assert found["fieldfare_operation_seconds_count{operation=commit}"] == 1
        assert found["fieldfare_storage_seconds_count{method=commit_round,store=database}"] == 1
        assert found["fieldfare_task_changes_total{to=submitted}"] == 1
        assert found["fieldfare_tasks{state=running}"] == 1
        assert found["fieldfare_devices{}"] == 6
        assert found["fieldfare_waiting{}"] == 0
        assert found["fieldfare_healthy{}"] == 1
        assert found["process_resident_memory_bytes{}"] > 2**20
        for device in devices:
            assert device.id.hex() not in text


def test_failing_storage_is_counted(tmp_path: Path) -> None:
    with shown(tmp_path) as (aggregator, admin):
        admin.submit(PLAN, SPEC, weights=START)
        device = Device(0, connect(aggregator.address))
        assert device.check_in() is not None
        for path in (tmp_path / "state" / "blobs" / "artifacts").iterdir():
            path.unlink()
        with pytest.raises(grpc.RpcError):
            device.fetch(device.assignment.checkpoint.sha256)  # type: ignore[union-attr]
        assert values(scrape(aggregator))["fieldfare_storage_errors_total{method=read,store=blobs}"] == 1


def test_check_ins_that_wait_are_counted(tmp_path: Path) -> None:
    settings = replace(SHOWN, engine=replace(SHOWN.engine, longest_wait=SHOWN.limits.report_time_limit))
    with shown(tmp_path, settings) as (aggregator, admin):
        task = admin.submit(PLAN, replace(SPEC, training=CohortSpec(2, 2, 1.0)), weights=START).task_id
        devices = [Device(index, connect(aggregator.address)) for index in range(3)]
        for device in devices[:2]:
            assert device.check_in() is not None
        request = aggregator_pb2.CheckInRequest(population="p", device_id=devices[2].id)
        request.capabilities.protocol_version = 1
        request.capabilities.encoding_stages.append("float32")
        request.wait.FromSeconds(60)
        answer = devices[2].stub.CheckIn.future(request, timeout=60)
        while not aggregator.waiting:
            assert not answer.done()
        found = values(scrape(aggregator))
        assert (found["fieldfare_waiting{}"], found["fieldfare_calls_open{method=CheckIn}"]) == (1, 1)
        admin.control(task, TaskAction.CANCEL)
        assert answer.result(timeout=20).WhichOneof("answer") == "come_back"
        assert values(scrape(aggregator))["fieldfare_waiting{}"] == 0


def test_nothing_is_served_unless_asked_for(tmp_path: Path) -> None:
    with Aggregator(tmp_path / "state") as aggregator:
        assert aggregator.metrics_address == ""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = ServerSettings(observability=ObservabilitySettings(metrics_listen=where))
        with pytest.raises(ConfigError, match=r"observability\.metrics_listen: port \d+ on 127\.0\.0\.1 is taken"):
            Aggregator(tmp_path / "state", settings=settings).start()


def test_too_many_scrapes_at_once_are_turned_away(tmp_path: Path) -> None:
    with shown(tmp_path) as (aggregator, _):
        host, _, port = aggregator.metrics_address.rpartition(":")
        idle = [socket.create_connection((host, int(port)), timeout=20) for _ in range(9)]
        # The last one finds every place taken by those that say nothing.
        assert idle[-1].recv(1) == b""
        for one in idle:
            one.close()


def test_the_documentation_lists_every_metric(tmp_path: Path) -> None:
    with shown(tmp_path) as (aggregator, admin):
        admin.submit(PLAN, SPEC, weights=START)
        families = list(text_string_to_metric_families(scrape(aggregator)))
    ours = {one.name: one.documentation for one in families if one.name.startswith("fieldfare")}
    # What a client library adds to each counter says nothing of its own.
    ours = {name: text for name, text in ours.items() if not name.endswith("_created")}
    page = DOCS.read_text()
    rows = dict(re.findall(r"^\| `(fieldfare\w*)` \| (.*) \|$", page, re.MULTILINE))
    assert rows == ours
    alerts = page.partition("groups:")[2].partition("## ")[0]
    used = set(re.findall(r"\bfieldfare_\w+", alerts))
    assert used
    assert {name.removesuffix("_total") for name in used} <= set(ours)
