"""What a run leaves to read, also where it was stopped or the disk is full."""

import csv
import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from fieldfare.core.errors import StorageError
from fieldfare.emulator.emulation import Outcome, emulate, write_results
from fieldfare.emulator.emulation.results import write_tables
from fieldfare.emulator.report import write_events
from fieldfare.emulator.scenario import Scenario, scenario_from_mapping, scenario_toml
from fieldfare.emulator.simulation import BEGINNING
from tests.integration.emulator.running import interrupts_obeyed
from tests.support.commands import fieldfare, started
from tests.support.made_run import DEVICES, made_run
from tests.support.small_disk import fill, small_disk
from tests.support.tiny_plan import tiny_plan

__all__ = ["small_disk"]

TREE: dict[str, Any] = {
    "plan": "plan.tflite",
    "partition": {"devices": 12},
    "engine": {"workers": 1},
    "task": {"rounds": 4, "local": {"learning_rate": 0.02}, "training": {"goal_count": 4}},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan, examples and a scenario."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(1)
    x = rng.normal(size=(240, 2)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=(x @ np.float32([[1.5], [-2.0]])).astype(np.float32))
    (folder / "plan.tflite").write_bytes(tiny_plan(features=2))
    (folder / "scenario.toml").write_text(
        'plan = "plan.tflite"\n[partition]\ndevices = 12\n[engine]\nworkers = 1\n[task]\nrounds = 2\n'
        "[task.training]\ngoal_count = 4\n[sweep]\nseed = [1, 2]\n"
    )
    return folder


def scenario(inputs: Path) -> Scenario:
    return scenario_from_mapping(TREE, inputs)


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def test_tensorboard_reads_the_rounds(tmp_path: Path) -> None:
    run = made_run(tmp_path, rounds=3)
    written, _ = write_tables(tmp_path, run.scenario, run.outcome)
    write_events(tmp_path / "tensorboard", written, BEGINNING)
    (file,) = (tmp_path / "tensorboard").iterdir()
    first, *events = EventFileLoader(str(file)).Load()
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in events] == [1, 2, 3]
    scalars = [{value.tag: value.tensor.float_val[0] for value in event.summary.value} for event in events]
    with (tmp_path / "rounds.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    for found, row, event in zip(scalars, rows, events, strict=True):
        assert found["training/loss"] == pytest.approx(float(row["train_loss"]), rel=1e-5)
        assert found["held_out/accuracy"] == pytest.approx(float(row["held_out_accuracy"]), rel=1e-5)
        assert found["cost/bytes_down"] == float(row["bytes_down"])
        assert found["cost/energy_j"] == pytest.approx(float(row["energy_j"]), rel=1e-5)
        assert found["cost/fleet_time_s"] == event.wall_time - BEGINNING.timestamp() == float(row["ended_s"])
        assert found["devices/counted"] == 9


def test_writing_events_brings_no_tensorflow_along(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from fieldfare.emulator.report import RoundRow, write_events\n"
        "row = RoundRow(1, 0.5, {}, 1, 0, 1, 1, 1.0)\n"
        f"write_events(Path({str(tmp_path / 'events')!r}), [row], datetime(2024, 1, 1, tzinfo=UTC))\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_summary_tells_what_the_run_came_to(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    rows, record = write_tables(tmp_path, run.scenario, run.outcome)
    found = summary(tmp_path)
    assert (found["complete"], found["stopped"], found["metric"], found["lower_is_better"]) == (
        True, False, "accuracy", False,
    )  # fmt: skip
    accuracies = [row.held_out["accuracy"] for row in rows]
    assert found["best"] == {"round": 1 + int(np.argmax(accuracies)), "value": max(accuracies)}
    assert found["target"] == {"metric": "accuracy", "value": 0.9, "reached": max(accuracies) >= 0.9}
    assert found["fairness"]["devices"] == len(record.measured) > 30
    assert found["fairness"]["worst_tenth"] < found["fairness"]["mean"]
    assert found["participation"] == {"devices": DEVICES, "trained": record.took_part}
    assert sum(found["assignments"].values()) == parquet.read_table(tmp_path / "devices.parquet").num_rows
    assert found["excluded"] == {"its memory is too small": 3}


def test_what_the_target_took_is_counted_up_to_the_round_that_reached_it(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    easy = scenario_from_mapping({"task": {"rounds": 20, "target": {"metric": "accuracy", "value": 0.5}}})
    rows, _ = write_tables(tmp_path, easy, run.outcome)
    number = next(row.version for row in rows if row.held_out["accuracy"] >= 0.5)
    found = summary(tmp_path)["target"]
    assert 1 < number < len(rows)
    assert (found["reached"], found["rounds"]) == (True, number)
    assert found["emulated_seconds"] == rows[number - 1].ended_s
    assert found["bytes"] == sum(row.bytes_up + row.bytes_down for row in rows[:number])
    assert found["energy_joules"] == pytest.approx(sum(row.energy_j for row in rows[:number]), abs=0.01)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        TREE,
        {"model": {"source": "model.keras"}, "data": {"columns": {"x": "a b"}, "column": "who"}},
        {
            "longest": "90min",
            "fleet": {"latency": "20ms", "memory": {"sizes_bytes": ["2GiB", "4GiB"], "shares": [0.5, 0.5]}},
            "task": {
                "encoding": ["float16"], "aggregation": {"algorithm": "FEDBUFF"}, "asynchronous": {"concurrency": 7},
                "target": {"metric": "loss", "value": 0.25}, "training": {"report_timeout": "90.5s"},
                "evaluate_every": 0 + 1, "eligibility": {"min_memory_bytes": 10**9},
            },
        },
    ],
    ids=["defaults", "few", "model", "many"],
)  # fmt: skip
def test_the_scenario_in_the_report_is_read_again_as_the_same(tree: dict[str, Any]) -> None:
    one = scenario_from_mapping(tree)
    assert scenario_from_mapping(tomllib.loads(scenario_toml(one))) == one


def stopped_run(inputs: Path, folder: Path, stop: Any) -> Outcome:
    """A run that is stopped after its first round."""

    def on_round(_: object) -> None:
        stop()

    return emulate(scenario(inputs), folder, on_start=lambda _: None, on_round=on_round)


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    with interrupts_obeyed():
        yield


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_keeps_what_was_done(inputs: Path, tmp_path: Path) -> None:
    outcome = stopped_run(inputs, tmp_path, lambda: signal.raise_signal(signal.SIGINT))
    assert isinstance(outcome.stopped, KeyboardInterrupt)
    assert not outcome.ended
    write_results(tmp_path, scenario(inputs), outcome)
    found = summary(tmp_path)
    assert (found["complete"], found["stopped"], found["rounds"]) == (False, True, 1)
    assert found["outcome"] == "interrupted; what was done until then is here"
    assert parquet.read_table(tmp_path / "devices.parquet").num_rows >= 4
    assert "interrupted; what was done until then" in (tmp_path / "report.html").read_text()
    assert load_file(tmp_path / "global.safetensors")


def test_a_disk_that_fills_up_meanwhile_stops_the_run_in_one_line(inputs: Path, small_disk: Path) -> None:
    outcome = stopped_run(inputs, small_disk, lambda: fill(small_disk))
    assert isinstance(outcome.stopped, StorageError)
    assert len(str(outcome.stopped).splitlines()) == 1
    (small_disk / "filler").unlink()
    write_results(small_disk, scenario(inputs), outcome)
    assert summary(small_disk)["outcome"].startswith("stopped: ")
    assert summary(small_disk)["rounds"] >= 1


@pytest.mark.parametrize(
    "name", ["devices.parquet", "rounds.csv", "summary.json", "report.html", "global.safetensors", "tensorboard"]
)
def test_a_result_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    run = made_run(tmp_path, rounds=1, evaluated=False, energy=False)
    # A folder is where the file is to be, or a file where the folder is.
    (tmp_path / name).write_text("x") if name == "tensorboard" else (tmp_path / name / "inside").mkdir(parents=True)
    with pytest.raises(StorageError, match=name) as caught:
        write_results(tmp_path, run.scenario, run.outcome)
    assert len(str(caught.value).splitlines()) == 1
    assert [one for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_results_on_a_full_disk(small_disk: Path) -> None:
    run = made_run(small_disk, rounds=3)
    fill(small_disk)
    with pytest.raises(StorageError, match=r"No space left on device"):
        write_results(small_disk, run.scenario, run.outcome)


def test_a_run_that_diverges_tells_why(inputs: Path, tmp_path: Path) -> None:
    local = {"learning_rate": 1e6, "epochs": 20}
    diverging = scenario_from_mapping({**TREE, "longest": "1h", "task": {**TREE["task"], "local": local}}, inputs)
    outcome = emulate(diverging, tmp_path, on_start=lambda _: None, on_round=lambda _: None)
    write_results(tmp_path, diverging, outcome)
    found = summary(tmp_path)
    assert (found["complete"], found["rounds"], found["best"]) == (False, 0, None)
    reason = found["reasons"][0]
    assert (reason["ended"], reason["times"] > 4) == ("withdrawn", True)
    assert "the learning rate 1e+06 may be too high" in reason["why"]
    page = (tmp_path / "report.html").read_text()
    assert f"No round was committed; most frequent reason: withdrawn, {reason['why']}." in page


def test_words_for_every_end(tmp_path: Path) -> None:
    outcome = made_run(tmp_path, rounds=1).outcome
    early = replace(outcome, ended=False)
    assert outcome.how_it_ended == "1 rounds done; target accuracy 0.9 not reached"
    assert early.how_it_ended == "the emulated time was over before the task had ended"
    assert replace(early, stopped=StorageError("disk full")).how_it_ended == "stopped: disk full"


@pytest.mark.slow
def test_the_command_sweeps_and_goes_on(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["emulate", inputs / "scenario.toml", "--output", out]
    done = fieldfare(*words, "--sweep", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "1/1  seed=1\n" in done.stdout
    assert {one.name for one in out.iterdir()} == {
        ".fieldfare-sweep", "report.html", "sweep.csv", "groups.csv", "seed=1",
    }  # fmt: skip
    before = (out / "seed=1" / "summary.json").stat().st_mtime_ns
    more = fieldfare(*words, "--resume")
    assert more.returncode == 0, more.stderr
    assert "1/2  seed=1, which is done\n" in more.stdout
    assert "2/2  seed=2\n" in more.stdout
    assert (out / "seed=1" / "summary.json").stat().st_mtime_ns == before
    with (out / "sweep.csv").open() as lines:
        assert [row["seed"] for row in csv.DictReader(lines)] == ["1", "2"]
    other = fieldfare(*words, "--resume", "--set", "task.rounds=3")
    assert other.returncode == 2
    assert "was another one: run without --resume" in other.stderr
    assert len(other.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c_works")
def test_a_command_that_is_interrupted_says_where_the_results_are(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    endless = ("--sweep", "seed=1", "--set", "task.rounds=100000", "--set", "task.evaluate_every=0")
    with started("emulate", inputs / "scenario.toml", "--output", out, *endless) as running:
        running.wait_for(r"round 3/100000", within_s=120)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(120) == 130
    assert running.errors == ["fieldfare: interrupted\n"]
    found = summary(out / "seed=1")
    assert (found["stopped"], found["rounds"] >= 3) == (True, True)
    assert "interrupted; what was done until then is here" in (out / "seed=1" / "report.html").read_text()
