"""gRPC health and reflection on both ports of a real aggregator."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.aggregator.observability import StorageHealth
from fieldfare.aggregator.settings import ObservabilitySettings, StorageSettings
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from tests.integration.aggregator.fleet import ACCEPTED, PENDING, Device, connect
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
DEVICES, ADMIN = "fieldfare.protos.v1.Aggregator", "fieldfare.protos.v1.Admin"
IMPATIENT = replace(
    SETTINGS,
    storage=StorageSettings(retry_first=timedelta(milliseconds=20), retry_longest=timedelta(milliseconds=50)),
    observability=ObservabilitySettings(
        unhealthy_after=timedelta(milliseconds=100), probe_interval=timedelta(milliseconds=20)
    ),
)


def health(address: str) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(grpc.insecure_channel(address))


def asked(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


def test_both_ports_serve_until_the_shutdown(tmp_path: Path) -> None:
    aggregator = Aggregator(tmp_path / "state")
    aggregator.start()
    streams = []
    for address, service, other in ((aggregator.address, DEVICES, ADMIN), (aggregator.admin_address, ADMIN, DEVICES)):
        stub = health(address)
        for name in ("", service):
            assert stub.Check(asked(name), timeout=20).status == SERVING
            streams.append(stub.Watch(asked(name), timeout=60))
        with pytest.raises(grpc.RpcError) as found:
            stub.Check(asked(other), timeout=20)
        assert found.value.code() == grpc.StatusCode.NOT_FOUND
        assert next(stub.Watch(asked(other), timeout=20)).status == SERVICE_UNKNOWN
    assert [next(stream).status for stream in streams] == [SERVING] * 4
    aggregator.close()
    # Every stream says so and ends by itself, without waiting for the grace to be over.
    assert [[one.status for one in stream] for stream in streams] == [[NOT_SERVING]] * 4
    assert {stream.code() for stream in streams} == {grpc.StatusCode.OK}


def test_storage_that_fails_for_long_and_recovers(tmp_path: Path) -> None:
    spec = TaskSpec(
        "t",
        "p",
        rounds=1,
        training=CohortSpec(3, 3, 1.0),
        evaluate_every=0,
        aggregation=AggregationSpec(min_snapshot_updates=2),
    )
    with Aggregator(tmp_path / "state", settings=IMPATIENT) as aggregator:
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(PLAN, spec, weights=np.array([1, 2, 3], np.float32))
        devices = [Device(index, connect(aggregator.address)) for index in range(3)]
        for device in devices:
            assert device.check_in() is not None
        # No snapshot can be written where its folder should be.
        in_the_way = tmp_path / "state" / "blobs" / "snapshots"
        in_the_way.write_text("")
        changes = health(aggregator.address).Watch(asked(), timeout=60)
        assert next(changes).status == SERVING
        for device in devices[:2]:
            assert device.report().status == PENDING
        assert next(changes).status == NOT_SERVING
        in_the_way.unlink()
        assert next(changes).status == SERVING
        assert devices[0].ask().status == ACCEPTED


def test_health_by_hand() -> None:
    now = 0.0
    storage = StorageHealth(timedelta(seconds=10), timedelta(seconds=60), lambda: now)
    assert storage.healthy
    storage.failed("put")
    now = 9.9
    storage.failed("put")
    assert storage.healthy
    now = 10.0
    assert not storage.healthy
    storage.worked("get")
    assert not storage.healthy
    storage.worked("put")
    assert storage.healthy
    storage.failed("put")
    now = 30.0
    assert not storage.healthy
    now = 70.0
    assert storage.healthy, "who does not try again does not wait for storage any more"


@pytest.mark.parametrize(("port", "service"), [("address", DEVICES), ("admin_address", ADMIN)])
def test_reflection_tells_the_calls(tmp_path: Path, port: str, service: str) -> None:
    with Aggregator(tmp_path / "state") as aggregator:
        channel = grpc.insecure_channel(getattr(aggregator, port))
        database = ProtoReflectionDescriptorDatabase(channel)
        assert service in database.get_services()
        found = DescriptorPool(database).FindServiceByName(service)
        expected = "CheckIn" if service == DEVICES else "SubmitTask"
        assert expected in found.methods_by_name
        channel.close()
