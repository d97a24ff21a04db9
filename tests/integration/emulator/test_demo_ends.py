"""The demo is ended in mid-training, in every way there is: no hang, no stack trace, no process left."""

from pathlib import Path

import pytest

from tests.integration.emulator.running import SECONDS, endless_demo

PROCESSES = 2

pytestmark = pytest.mark.slow


def test_ctrl_c_in_a_terminal(tmp_path: Path):
    with endless_demo(tmp_path / "demo", tmp_path / "errors") as one:
        one.wait_for("round 1/")
        one.workers(PROCESSES)
        one.interrupt(group=True)
        assert one.ended(SECONDS) == 130
        assert one.complained == "fieldfare: interrupted\n"
        assert one.left_over() == []
    assert "Traceback" not in (tmp_path / "demo" / "devices.log").read_text()


def test_a_killed_worker(tmp_path: Path):
    with endless_demo(tmp_path / "demo", tmp_path / "errors") as one:
        one.wait_for("round 1/")
        one.workers(PROCESSES)[0].kill()
        assert one.ended(2 * SECONDS) == 1
        assert one.complained.startswith("fieldfare: the worker process fieldfare-devices-")
        assert one.complained.endswith(" ended with exit code -9\n")
        assert one.complained.count("\n") == 1
        assert one.left_over() == []


def test_a_killed_parent(tmp_path: Path):
    with endless_demo(tmp_path / "demo", tmp_path / "errors") as one:
        one.wait_for("round 1/")
        one.workers(PROCESSES)
        one.process.kill()
        one.process.wait()
        assert one.left_over() == []
        assert one.complained == ""
