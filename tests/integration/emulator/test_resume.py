"""Runs that are interrupted go on, and come to the same bits as those that were not."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.emulator.emulation import Outcome, emulate
from fieldfare.protos.v1 import task_pb2
from tests.integration.emulator.bench import Bench, make_bench
from tests.support.commands import FIELDFARE, environment, fieldfare

SCENARIO = """
seed = 5
[partition]
devices = 12
[fleet]
dropout = 0.2
[engine]
workers = 1
checkpoint_every = "0s"
[task]
rounds = 60
[task.training]
goal_count = 4
[task.local]
learning_rate = 0.05
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


class CutError(Exception):
    """Ends a run."""


def go_on(bench: Bench, name: str, *, after: int | None, resume: bool, **values: Any) -> Outcome | None:
    """Run, and be cut off once so many rounds were finished in this call."""
    (bench.folder / name).mkdir(exist_ok=True)
    told: list[int] = []

    def on_round(_: task_pb2.TaskStatus) -> None:
        told.append(1)
        if len(told) == after:
            raise CutError

    scenario = bench.scenario(**{"engine__checkpoint_every": "0s", **values})
    try:
        return emulate(scenario, bench.folder / name, on_start=lambda _: None, on_round=on_round, resume=resume)
    except CutError:
        return None


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"aggregation": {"algorithm": "SCAFFOLD"}},
        {"aggregation": {"algorithm": "FEDBUFF"}, "training": {"goal_count": 3, "report_timeout": "30s"}},
    ],
    ids=["FedAvg", "SCAFFOLD", "FedBuff"],
)
def test_a_run_in_pieces_is_the_run_as_a_whole(bench: Bench, task: dict[str, Any]) -> None:
    values = {"fleet__dropout": 0.2, "task__rounds": 5, **{f"task__{key}": value for key, value in task.items()}}
    whole = bench.run("whole", **values)
    assert go_on(bench, "pieces", after=1, resume=False, **values) is None
    assert go_on(bench, "pieces", after=2, resume=True, **values) is None
    found = go_on(bench, "pieces", after=None, resume=True, **values)
    assert found is not None
    assert found.weights == whole.weights
    assert (found.totals, found.emulated_s) == (whole.totals, whole.emulated_s)
    assert bench.rows("pieces") == bench.rows("whole")
    assert [(one.number, one.reported, one.assigned, one.bytes_down) for one in found.status.rounds] == [
        (one.number, one.reported, one.assigned, one.bytes_down) for one in whole.status.rounds
    ]
    # Once it has ended there is nothing to go on with, and the results are the same.
    again = go_on(bench, "pieces", after=None, resume=True, **values)
    assert again is not None
    assert again.weights == whole.weights


def test_what_a_run_was_begun_with_stays(bench: Bench) -> None:
    go_on(bench, "run", after=1, resume=False)
    with pytest.raises(ConfigError, match=r"fleet.dropout: the run was begun with 0.0, and cannot go on with 0.5"):
        go_on(bench, "run", after=None, resume=True, fleet__dropout=0.5)
    with pytest.raises(ConfigError, match="task: the run was begun with"):
        go_on(bench, "run", after=None, resume=True, task__rounds=9)
    go_on(bench, "run", after=1, resume=True, engine__workers=2, longest="1d")
    (bench.folder / "data.npz").rename(bench.folder / "old.npz")
    make_bench(bench.folder, seed=2)
    with pytest.raises(ConfigError, match="plan, data or traces are not those"):
        go_on(bench, "run", after=None, resume=True)
    (state,) = (bench.folder / "run" / "checkpoints").glob("*/state.json")
    state.write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        go_on(bench, "run", after=None, resume=True)


def test_the_command_goes_on_after_a_kill(bench: Bench) -> None:
    (bench.folder / "scenario.toml").write_text(SCENARIO)
    whole = fieldfare("emulate", "scenario.toml", "--output", "whole", cwd=bench.folder)
    assert whole.returncode == 0, whole.stderr
    words = [*FIELDFARE, "emulate", "scenario.toml", "--output", "cut"]
    with subprocess.Popen(
        words, cwd=bench.folder, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        checkpoints = bench.folder / "cut" / "checkpoints"
        # Wherever it stands then: within a round, while it writes, between two rounds.
        while not checkpoints.is_dir() or max((int(one.name) for one in checkpoints.glob("[0-9]*")), default=0) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    resumed = fieldfare("emulate", "scenario.toml", "--output", "cut", "--resume", cwd=bench.folder)
    assert resumed.returncode == 0, resumed.stderr
    for name in ("devices.csv", "rounds.csv", "global.safetensors"):
        assert (bench.folder / "cut" / name).read_bytes() == (bench.folder / "whole" / name).read_bytes(), name
