"""Real disks that are full, small, read-only or damaged: a clear state, never a wrong average; and what is on them."""

import contextlib
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.aggregator.engine._accumulator import sum_bounds
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.errors import StorageError
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.fleet import ACCEPTED, PENDING, Device, connect, update_of
from tests.integration.aggregator.restless import Fleet, check_against_oracle
from tests.integration.aggregator.short_lives import SETTINGS, start
from tests.support.commands import free_port
from tests.support.fleet_threads import wait_until
from tests.support.small_disk import fill, small_disk
from tests.unit.aggregator.world import PLAN, everything_written

__all__ = ["small_disk"]

SPEC = TaskSpec(
    "t",
    "p",
    rounds=3,
    training=CohortSpec(8, 4, 1.5),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)


def submit(aggregator: Aggregator) -> str:
    with AdminClient(aggregator.admin_address) as admin:
        return admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32)).task_id


def finish(aggregator: Aggregator, task: str, fleet: Fleet, state: Path) -> None:
    """Go on to the task's end, and compare."""
    with AdminClient(aggregator.admin_address) as admin:
        wait_until(lambda: admin.show(task).state != task_pb2.TASK_STATE_RUNNING, "the task's end", every_s=0.1)
        status = admin.show(task, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
    assert status.reason == "3 rounds done"
    with contextlib.closing(open_sqlite(state / "fieldfare.db")) as database:
        check_against_oracle(database, status, weights, fleet, minimum=4)


def test_a_full_disk_acknowledges_nothing_until_there_is_room(small_disk: Path) -> None:
    state = small_disk / "state"
    with Aggregator(state, settings=SETTINGS) as aggregator:
        task = submit(aggregator)
        devices = [Device(index, connect(aggregator.address)) for index in range(100, 106)]
        assert all(device.check_in() for device in devices)
        filler = fill(small_disk)
        assert {device.report().status for device in devices} == {PENDING}
        with AdminClient(aggregator.admin_address) as admin:
            assert admin.show(task).state == task_pb2.TASK_STATE_RUNNING
        filler.unlink()
        wait_until(lambda: all(device.ask().status == ACCEPTED for device in devices), "receipts", every_s=0.1)
        with Fleet(12, aggregator.address) as fleet:
            finish(aggregator, task, fleet, state)


def test_a_state_folder_on_a_read_only_disk_is_refused(small_disk: Path) -> None:
    with Aggregator(small_disk / "state"):
        pass
    before = everything_written(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageError, match=r"cannot write to the state folder .*Read-only file system"):
        Aggregator(small_disk / "state").start()
    with pytest.raises(StorageError, match="Read-only file system"):
        Aggregator(small_disk / "other").start()
    assert everything_written(small_disk) == before


def test_files_that_may_not_grow_acknowledge_nothing(tmp_path: Path) -> None:
    """The kernel refuses every byte that a process wants to add to a file: works without rights to mount."""
    state, port, admin_port = tmp_path / "state", free_port(), free_port()
    process, ready = start(state, port, admin_port)
    assert ready.recv()
    assert process.pid is not None
    with AdminClient(f"127.0.0.1:{admin_port}") as admin:
        admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32))
    devices = [Device(index, connect(f"127.0.0.1:{port}")) for index in range(3)]
    assert all(device.check_in() for device in devices)
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    assert {device.report().status for device in devices} == {PENDING}
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
    wait_until(lambda: all(device.ask().status == ACCEPTED for device in devices), "receipts", every_s=0.1)
    process.kill()
    process.join()


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_snapshot_fails_the_task_and_says_so(tmp_path: Path, harm: str) -> None:
    state = tmp_path / "state"
    with Aggregator(state, settings=SETTINGS) as aggregator:
        task = submit(aggregator)
        devices = [Device(index, connect(aggregator.address)) for index in range(2)]
        assert all(device.check_in() for device in devices)
        for device in devices:
            device.report()
        wait_until(lambda: all(device.ask().status == ACCEPTED for device in devices), "receipts")
    (snapshot,) = (path for path in (state / "blobs" / "snapshots").rglob("*") if path.is_file())
    content = bytearray(snapshot.read_bytes())
    if harm == "flip":
        content[-1] ^= 1
    if harm == "gone":
        snapshot.unlink()
    else:
        snapshot.write_bytes(content[:-3] if harm == "cut" else content)
    with Aggregator(state, settings=SETTINGS) as aggregator, AdminClient(aggregator.admin_address) as admin:
        status = admin.show(task, 0)
        assert status.state == task_pb2.TASK_STATE_FAILED
        assert status.reason.startswith("its state cannot be read: ")
        assert status.checkpoint_version == 0


def traces_of(device: bytes, number: int) -> list[bytes]:
    """How one update would look on a disk: as it was sent, and as a sum of its own."""
    vector, count = update_of(device, number)
    bits = sum_bounds(SPEC).fraction_bits
    units = [round(float(value) * count * 2.0**bits) for value in vector]
    return [vector.tobytes(), np.array(units, "<i8").tobytes()]


def test_single_updates_are_never_written(tmp_path: Path) -> None:
    """Everything on the disk is read after every call of a whole round, the write-ahead log included."""
    state = tmp_path / "state"
    written: set[bytes] = set()

    def look() -> None:
        for path in state.rglob("*"):
            # Safe: a snapshot that goes meanwhile was seen by the look before, or is in the next one.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                written.add(path.read_bytes())

    with Aggregator(state, settings=SETTINGS) as aggregator, AdminClient(aggregator.admin_address) as admin:
        task = submit(aggregator)
        devices = [Device(index, connect(aggregator.address)) for index in range(8)]
        assert all(device.check_in() for device in devices)
        for device in devices:
            device.report()
            look()
        wait_until(lambda: admin.show(task).checkpoint_version == 1, "the round's commit")
        look()
    everything = b"\0".join(written)
    # The search finds what is there: the ids, and more than one sum.
    assert all(device.id in everything for device in devices)
    assert sum(one.startswith(b"FFSNAPSH") for one in written) > 1
    for device in devices:
        for trace in traces_of(device.id, 1):
            assert trace not in everything
