"""What goes wrong in an emulation is told, and what was done until then is kept."""

from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.emulator.emulation import emulate
from fieldfare.emulator.workers import WorkersError
from fieldfare.protos.v1 import task_pb2
from tests.integration.emulator.bench import Bench, make_bench
from tests.support.commands import fieldfare
from tests.support.small_disk import fill, small_disk

__all__ = ["small_disk"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def test_workers_that_end_again_and_again_are_given_up(bench: Bench) -> None:
    outcome = bench.run("run", engine__trainer="tests.support.deadly_trainer:DeadlyTrainer")
    assert isinstance(outcome.stopped, WorkersError)
    assert "3 worker processes have ended over the same device, the last with exit code 77" in str(outcome.stopped)
    assert "about to crash" in (bench.folder / "run" / "workers.log").read_text()
    assert not outcome.ended


@pytest.mark.parametrize(
    ("trainer", "why"),
    [
        ("nowhere.at_all:Trainer", "No module named 'nowhere'"),
        ("fieldfare.sdk.training:Nothing", "has no attribute 'Nothing'"),
        ("fieldfare.sdk.training:NO_LIMITS", "not a callable"),
    ],
)
def test_a_trainer_that_is_not_there_is_told_at_once(bench: Bench, trainer: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"engine.trainer: .*{why}"):
        bench.run("run", engine__trainer=trainer)
    assert not (bench.folder / "run" / "workers.log").exists()


def test_examples_that_find_no_room_are_told(bench: Bench, small_disk: Path) -> None:
    fill(small_disk)
    folder = small_disk / "run"
    with pytest.raises(StorageError, match="No space left"):
        emulate(bench.scenario(), folder, on_start=lambda _: None, on_round=lambda _: None)


def test_a_disk_that_fills_up_stops_the_run_which_goes_on_once_there_is_room(bench: Bench, small_disk: Path) -> None:
    scenario = bench.scenario(engine__checkpoint_every="0s", task__rounds=6)
    whole = bench.run("whole", engine__checkpoint_every="0s", task__rounds=6)
    folder, fillers = small_disk / "run", list[Path]()
    folder.mkdir()

    def on_round(_: task_pb2.TaskStatus) -> None:
        if not fillers:
            fillers.append(fill(small_disk))

    stopped = emulate(scenario, folder, on_start=lambda _: None, on_round=on_round)
    assert isinstance(stopped.stopped, StorageError)
    fillers[0].unlink()
    found = emulate(scenario, folder, on_start=lambda _: None, on_round=on_round, resume=True)
    assert found.ended
    assert found.weights == whole.weights
    assert (folder / "devices.csv").read_bytes() == (bench.folder / "whole" / "devices.csv").read_bytes()


def test_the_command_says_it_in_one_line(bench: Bench, small_disk: Path) -> None:
    (bench.folder / "scenario.toml").write_text("[partition]\ndevices = 12\n[task]\nrounds = 2\n")
    fill(small_disk)
    done = fieldfare("emulate", "scenario.toml", "--output", str(small_disk / "out"), cwd=bench.folder)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "No space left" in done.stderr
