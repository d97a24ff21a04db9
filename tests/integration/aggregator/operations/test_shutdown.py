"""SIGTERM and Ctrl-C under load: what is in flight is finished, what is acknowledged stays, the exit code is 0."""

import hashlib
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from tests.integration.aggregator.fleet import (
    ACCEPTED,
    DUPLICATE,
    LATE,
    PENDING,
    Device,
    connect,
    update_of,
)
from tests.integration.aggregator.operations.serving import serving
from tests.unit.aggregator.world import CAPABILITIES, PLAN

START = np.array([1, 2, 3], np.float32)
FLEET = 16
GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


class Fleet:
    """Devices that report until the server is gone, and go on with what they hold at the next one."""

    def __init__(self) -> None:
        self.devices = [Device(index, connect("127.0.0.1:1")) for index in range(FLEET)]
        self.acknowledged: set[tuple[int, bytes]] = set()
        self.many = threading.Event()
        self.wanted = 0
        self.last = False
        self.codes: set[grpc.StatusCode] = set()

    def run(self, address: str) -> None:
        stub = connect(address)
        for device in self.devices:
            device.stub = stub
        with ThreadPoolExecutor(FLEET) as threads:
            list(threads.map(self._live, self.devices))

    def _live(self, device: Device) -> None:
        try:
            while device.assignment is not None or device.check_in() is not None or not self.last:
                if device.assignment is None:
                    continue
                status = device.report().status
                while status == PENDING and not self.last:
                    status = device.ask().status
                if status == PENDING:
                    # Another device has its turn.
                    return
                if status in {ACCEPTED, DUPLICATE}:
                    self.acknowledged.add((device.assignment.round_number, device.id))
                    if len(self.acknowledged) >= self.wanted:
                        self.many.set()
                if status in {ACCEPTED, DUPLICATE, LATE}:
                    device.assignment = None
        except grpc.RpcError as error:
            self.codes.add(error.code())  # type: ignore[attr-defined]


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_by_shutdowns_under_load(tmp_path: Path) -> None:
    chance = random.Random(20260202)  # noqa: S311
    spec = TaskSpec(
        "t",
        "p",
        rounds=5,
        training=CohortSpec(12, 6, 1.3),
        evaluate_every=0,
        aggregation=AggregationSpec(min_snapshot_updates=3),
    )
    fleet = Fleet()
    task = ""
    for number in range(2):
        with serving(tmp_path) as server:
            if not task:
                with AdminClient(server.admin_address) as admin:
                    task = admin.submit(PLAN, spec, weights=START).task_id
            fleet.many.clear()
            fleet.wanted = len(fleet.acknowledged) + chance.randint(5, 20)
            load = threading.Thread(target=fleet.run, args=(server.address,))
            load.start()
            assert fleet.many.wait(60)
            server.process.send_signal(signal.SIGTERM if number % 2 else signal.SIGINT)
            assert server.process.wait(30) == 0
            load.join(60)
            assert not load.is_alive()
            assert server.process.stdout is not None
            assert "stopping" in server.process.stdout.read()
    assert fleet.codes <= GONE
    with serving(tmp_path) as server, AdminClient(server.admin_address) as admin:
        fleet.last = True
        while admin.show(task).state == task_pb2.TASK_STATE_RUNNING:
            fleet.run(server.address)
        status = admin.show(task, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert status.reason == "5 rounds done"
    expected = START.astype(np.float64)
    database = open_sqlite(tmp_path / "state" / "fieldfare.db")
    for one in status.rounds:
        counted = database.counted(task, one.number)
        assert {device for number, device in fleet.acknowledged if number == one.number} <= counted
        assert len(counted) == one.reported
        updates = [update_of(device, one.number) for device in counted]
        total = sum(count for _, count in updates)
        expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
    database.close()
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    """A report half sent, a question for a receipt, a check-in that waits: all get their answer, none an error."""
    spec = TaskSpec(
        "t",
        "p",
        rounds=2,
        training=CohortSpec(4, 4, 1.0),
        evaluate_every=0,
        aggregation=AggregationSpec(min_snapshot_updates=2),
    )
    long_waits = ("--set", "engine.receipt_wait=20s", "--set", "limits.shutdown_grace=60s")
    with serving(tmp_path, *long_waits) as server:
        with AdminClient(server.admin_address) as admin:
            admin.submit(PLAN, spec, weights=START)
        devices = [Device(index, connect(server.address)) for index in range(5)]
        for device in devices[:4]:
            assert device.check_in() is not None
        request = aggregator_pb2.CheckInRequest(population="p", device_id=devices[4].id, capabilities=CAPABILITIES)
        request.wait.FromSeconds(60)
        parked = devices[4].stub.CheckIn.future(request, timeout=60)
        goes_on = threading.Event()
        half_sent = threading.Event()

        def slow_report() -> Iterator[aggregator_pb2.ReportRequest]:
            payload = devices[1].payload()
            yield aggregator_pb2.ReportRequest(header=devices[1].header())
            yield aggregator_pb2.ReportRequest(data=payload[:8])
            half_sent.set()
            goes_on.wait(60)
            yield aggregator_pb2.ReportRequest(data=payload[8:])
            trailer = aggregator_pb2.ReportTrailer(sha256=hashlib.sha256(payload).digest())
            yield aggregator_pb2.ReportRequest(trailer=trailer)

        with ThreadPoolExecutor(2) as threads:
            waiting = threads.submit(devices[0].report)
            slow = devices[1].stub.Report.future(slow_report(), timeout=60)
            half_sent.wait(60)
            while reported(server.admin_address) < 1:
                pass
            server.process.send_signal(signal.SIGTERM)
            # Whoever waits is answered at once: there is nothing to wait for any more.
            assert waiting.result(timeout=30).status == PENDING
            assert parked.result(timeout=30).WhichOneof("answer") == "come_back"
            goes_on.set()
            # With the second report a snapshot may be written, and it is.
            assert slow.result(timeout=30).status == ACCEPTED
        assert server.process.wait(30) == 0
    with serving(tmp_path) as server:
        devices[0].stub = devices[1].stub = connect(server.address)
        assert devices[0].ask().status == ACCEPTED
        assert devices[1].report().status == DUPLICATE


def reported(admin_address: str) -> int:
    with AdminClient(admin_address) as admin:
        (one,) = admin.show("t", 0).rounds
        return int(one.reported)
