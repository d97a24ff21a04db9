"""What runs on a Raspberry Pi Zero 2 W runs here in the memory that it has, and the limit is a real one."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from examples.raspberry_pi.activity import POPULATION
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk.device import DeviceFolder
from tests.support.commands import FIELDFARE, ROOT, environment
from tests.support.fleet_threads import wait_until
from tests.support.made_recordings import write_made_recordings

MB = 1 << 20
BOARD = 512 * MB
RECOGNISER, DEVICE = 192 * MB, 320 * MB
"""What each process may have at the most, of everything that it maps: libraries, stacks and heap together."""
WITHIN_S = 120
_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""As in the units: without the second each thread reserves 64 MB of addresses, until there are none left."""
_SPEC = TaskSpec(
    name="activity",
    population=POPULATION,
    rounds=3,
    training=CohortSpec(1, 1, 1.0),
    evaluation=CohortSpec(1, 1, 1.0),
    local=LocalTrainingSpec(epochs=5),
    aggregation=AggregationSpec(min_snapshot_updates=1),
)
_LIMIT_AND_BECOME = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def _limited(limit: int, *command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A process whose address space the kernel bounds: memory that it uses is less than what it maps."""
    with subprocess.Popen(
        [sys.executable, "-c", _LIMIT_AND_BECOME, str(limit), *map(str, command)],
        cwd=ROOT,
        env=environment(**_SETTINGS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ended(limit: int, *command: str | Path) -> tuple[int, str, str]:
    with _limited(limit, *command) as process:
        out, errors = process.communicate(timeout=WITHIN_S)
        return process.returncode, out, errors


def _recognise(folder: Path, data: Path) -> str:
    arguments = ("--store", folder / "examples.db", "--folder", folder / "device", "--replay", data, "--subject", "1")
    command = (sys.executable, "-m", "examples.raspberry_pi.recognise", "--speed", "0", *arguments)
    status, out, errors = _ended(RECOGNISER, *command)
    assert status == 0, errors
    return out


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    pace = PaceSettings(shortest=timedelta(milliseconds=100), longest=timedelta(seconds=1))
    with Aggregator(tmp_path / "state", settings=ServerSettings(pace=pace)) as running:
        yield running


@pytest.mark.parametrize("limit", [RECOGNISER, DEVICE])
def test_the_kernel_holds_the_limit(limit: int) -> None:
    assert RECOGNISER + DEVICE == BOARD
    status, _, errors = _ended(limit, sys.executable, "-c", f"kept = bytearray({limit}); print(len(kept))")
    assert status != 0
    assert "MemoryError" in errors
    _, out, _ = _ended(limit, sys.executable, "-c", f"kept = bytearray({limit // 2}); print(len(kept))")
    assert out.strip() == str(limit // 2)


@pytest.mark.slow
def test_a_board_replays_trains_reports_and_recognises(
    tmp_path: Path, activity_plan: Path, aggregator: Aggregator
) -> None:
    data, board = tmp_path / "made.npz", tmp_path / "board"
    write_made_recordings(data, {1: 18}, windows=6)

    first = _recognise(board, data)
    assert "no model yet  kept as walking" in first
    assert "108 windows, 108 of them kept; the store holds 108" in first

    with AdminClient(aggregator.admin_address) as admin:
        task = admin.submit(activity_plan, _SPEC).task_id
        arguments = ("--store", board / "examples.db", "--folder", board / "device", "--population", POPULATION)
        command = (*FIELDFARE, "device", "run", "--aggregator", aggregator.address, *arguments)
        with _limited(DEVICE, *command) as device:
            wait_until(
                lambda: admin.show(task).state == task_pb2.TASK_STATE_COMPLETED or device.poll() is not None,
                "the end of the task",
                within_s=WITHIN_S,
            )
            device.send_signal(signal.SIGTERM)
            out, errors = device.communicate(timeout=WITHIN_S)
        assert device.returncode == 0, errors
        assert admin.show(task).rounds_committed == _SPEC.rounds
    trained = re.findall(r"trained on (\d+) examples, loss [\d.]+, update of [\d.]+ kB counted", out)
    assert len(trained) == _SPEC.rounds
    with DeviceFolder(board / "device").open_ledger(create=False) as ledger:
        assert sum(entry.update_norm is not None for entry in ledger) == _SPEC.rounds

    again = _recognise(board, data)
    found = re.search(r"(\d+) of 108 labelled windows recognised", again)
    assert found is not None, again
    assert int(found[1]) > 54
    assert "the store holds 216" in again
