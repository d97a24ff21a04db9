"""SIGKILL a real `fieldfare serve` under load: what was acknowledged counts exactly once, the rest is sent again."""

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.fleet import ACCEPTED, DUPLICATE, LATE, PENDING, Device, connect, update_of
from tests.unit.aggregator.world import PLAN

FLEET = 24
COHORT = CohortSpec(20, 10, 1.2)
SPEC = TaskSpec(
    "t", "p", rounds=6, training=COHORT, evaluate_every=0, aggregation=AggregationSpec(min_snapshot_updates=3)
)
SERVE = [sys.executable, "-c", "from fieldfare.core.command import main; raise SystemExit(main())", "serve"]


@contextmanager
def serve(state: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--come-back-s", "0.1")
    process = subprocess.Popen([*SERVE, "--state", str(state), *ports], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = [re.search(r"127\.0\.0\.1:\d+", process.stdout.readline()) for _ in range(2)]
        assert all(found)
        yield process, *(one.group() for one in found if one)  # type: ignore[misc]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Load:
    """Devices that report until the server is gone; each keeps its assignment until it knows what became of it."""

    def __init__(self) -> None:
        self.devices = [Device(index, connect("127.0.0.1:1")) for index in range(FLEET)]
        self.acknowledged: set[tuple[int, bytes]] = set()
        self.enough = threading.Event()
        self.kill_after = 0

    def run(self, address: str, done: threading.Event) -> None:
        stub = connect(address)
        for device in self.devices:
            device.stub = stub
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda device: self._live(device, done), self.devices))

    def _live(self, device: Device, done: threading.Event) -> None:
        try:
            while not done.is_set():
                if device.assignment is None and device.check_in() is None:
                    # Nothing to do now; another device has its turn.
                    return
                assert device.assignment is not None
                receipt = device.report()
                if receipt.status in {ACCEPTED, DUPLICATE}:
                    self.acknowledged.add((device.assignment.round_number, device.id))
                    if len(self.acknowledged) >= self.kill_after:
                        self.enough.set()
                if receipt.status in {ACCEPTED, DUPLICATE, LATE}:
                    device.assignment = None
                elif receipt.status == PENDING:
                    return
        except grpc.RpcError:
            return


@pytest.mark.slow
def test_everything_acknowledged_is_in_exactly_once(tmp_path: Path) -> None:
    chance = random.Random(20260101)  # noqa: S311
    load = Load()
    task = ""
    for _ in range(5):
        with serve(tmp_path / "state") as (process, address, admin_address):
            if not task:
                with AdminClient(admin_address) as admin:
                    task = admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32)).task_id
            done = threading.Event()
            load.enough.clear()
            load.kill_after = len(load.acknowledged) + chance.randint(1, 15)

            def kill(process: subprocess.Popen[str] = process, done: threading.Event = done) -> None:
                load.enough.wait(20)
                process.kill()
                done.set()

            killer = threading.Thread(target=kill)
            killer.start()
            while not done.is_set():
                load.run(address, done)
            killer.join()
    with serve(tmp_path / "state") as (process, address, admin_address), AdminClient(admin_address) as admin:
        load.kill_after = 10**9
        done = threading.Event()
        while admin.show(task).state == task_pb2.TASK_STATE_RUNNING:
            load.run(address, done)
        status = admin.show(task, 0)
        assert status.reason == "6 rounds done"
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        process.terminate()
        assert process.wait(20) == 0
    expected = np.array([1, 2, 3], np.float64)
    database = open_sqlite(tmp_path / "state" / "fieldfare.db")
    for one in status.rounds:
        counted = database.counted(task, one.number)
        assert one.state == task_pb2.ROUND_STATE_COMMITTED
        assert {device for number, device in load.acknowledged if number == one.number} <= counted
        assert len(counted) == one.reported >= COHORT.minimum
        updates = [update_of(device, one.number) for device in counted]
        total = sum(count for _, count in updates)
        expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
    database.close()
    np.testing.assert_allclose(weights, expected, atol=1e-6)
