"""The worker processes of a fleet: none outlives its parent, none draws a stack trace, none can hang the parent."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.emulator.running import SECONDS, Running, running

SCRIPT = Path(__file__).with_name("endless_fleet.py")
PROCESSES = 3


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Running]:
    with running([sys.executable, SCRIPT, tmp_path], tmp_path / "errors") as one:
        yield one


def test_closing_ends_the_workers(fleet: Running):
    fleet.wait_for("started")
    fleet.workers(PROCESSES)
    fleet.process.send_signal(signal.SIGUSR1)
    fleet.wait_for("closed")
    assert fleet.ended() == 0
    assert fleet.left_over() == []
    assert fleet.complained == ""


def test_an_interrupt_while_the_workers_start_is_no_stack_trace(fleet: Running):
    fleet.workers(PROCESSES)
    fleet.interrupt(group=True)
    assert fleet.ended(SECONDS) == 130
    assert fleet.left_over() == []
    assert fleet.complained == ""


def test_an_interrupt_waits_until_all_workers_are_started(tmp_path: Path):
    with running([sys.executable, SCRIPT, tmp_path, "interrupted"], tmp_path / "errors") as fleet:
        assert fleet.ended(SECONDS) == 130
    assert fleet.said == "starting a worker\n" * PROCESSES
    assert fleet.complained == ""


def test_a_killed_worker_is_told_and_hangs_nobody(fleet: Running):
    fleet.wait_for("started")
    fleet.workers(PROCESSES)[1].kill()
    fleet.wait_for("lost: the worker process fieldfare-devices-")
    assert fleet.ended(SECONDS) == 1
    assert "ended with exit code -9" in fleet.said
    assert fleet.left_over() == []
    assert fleet.complained == ""


def test_all_workers_killed_at_once(fleet: Running):
    fleet.wait_for("started")
    for worker in fleet.workers(PROCESSES):
        worker.kill()
    assert fleet.ended(SECONDS) == 1
    # The first that died in the fleet's eyes, which may look at any moment between two of these.
    assert "lost: the worker process fieldfare-devices-" in fleet.said
    assert "ended with exit code -9" in fleet.said


def test_workers_end_when_their_parent_is_killed(fleet: Running):
    fleet.wait_for("started")
    fleet.workers(PROCESSES)
    fleet.process.kill()
    assert fleet.left_over() == []


def test_a_device_that_ends_by_an_error_is_told(tmp_path: Path):
    with running([sys.executable, SCRIPT, tmp_path, "broken"], tmp_path / "errors") as fleet:
        fleet.wait_for("lost: the worker process fieldfare-devices-0 ended with exit code 1")
        assert fleet.ended(SECONDS) == 1
        assert fleet.left_over() == []
    assert "NotFoundError: the example store" in (tmp_path / "log").read_text()
