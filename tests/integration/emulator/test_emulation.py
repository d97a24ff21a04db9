"""Emulations of a linear regression: real engine, sessions, trainer and worker processes."""

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import DataError, PlanError, StateError
from fieldfare.core.plans import PlanRuntime
from fieldfare.emulator.data import load_table
from fieldfare.emulator.emulation import emulate
from fieldfare.emulator.partition import make_partition
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk.training import LiteRtTrainer
from tests.integration.emulator.bench import ROUNDS, Bench, make_bench, weights_of
from tests.support.commands import fieldfare
from tests.support.tiny_plan import tiny_manifest

TRAINING = task_pb2.ROUND_KIND_TRAINING


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def test_the_weights_are_those_of_a_slow_reference(bench: Bench) -> None:
    outcome = bench.run("run", task__training={"goal_count": 12, "over_selection": 1.0}, task__evaluate_every=0)
    scenario = bench.scenario()
    table = load_table(scenario.settings.data, tiny_manifest(features=2).example_specs)
    partition = make_partition(scenario.settings.partition, table, 5)
    trainer = LiteRtTrainer()
    plan = (bench.folder / "plan.tflite").read_bytes()
    trainer.load(bench.folder / "plan.tflite", hashlib.sha256(plan).hexdigest())
    weights = PlanRuntime(plan).get_weights()
    for number in range(1, ROUNDS + 1):
        total, count = np.zeros(3), 0
        for device in range(12):
            mine = {name: array[partition.training_rows(device)] for name, array in table.examples.items()}
            done = trainer.train(
                weights,
                mine,
                local=scenario.task.local,
                algorithm=scenario.task.aggregation.algorithm,
                rng=np.random.default_rng([5, 1, number, device]),
                interrupt=lambda: "",
            )
            total += done.example_count * done.vector.astype(np.float64)
            count += done.example_count
        weights = (weights + total / count).astype(np.float32)
    assert weights_of(outcome) == pytest.approx(weights, rel=1e-5)
    assert outcome.totals.ended == {"counted": 12 * ROUNDS}


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"aggregation": {"algorithm": "SCAFFOLD"}},
        {"aggregation": {"algorithm": "FEDBUFF"}, "evaluate_every": 0},
    ],
    ids=["FedAvg", "SCAFFOLD", "FedBuff"],
)
def test_any_number_of_workers_gives_the_same_bits(bench: Bench, task: dict[str, Any]) -> None:
    found = {}
    for workers in (1, 2, 4):
        values = {f"task__{key}": value for key, value in task.items()}
        outcome = bench.run(f"{workers}", engine__workers=workers, fleet__dropout=0.1, **values)
        assert outcome.ended
        found[workers] = (outcome.weights, outcome.emulated_s, bench.rows(f"{workers}"))
    assert found[1] == found[2] == found[4]
    assert weights_of(outcome) != pytest.approx(np.zeros(3), abs=0.1)


def test_another_seed_is_another_run(bench: Bench) -> None:
    one, other = bench.run("one"), bench.run("other", seed=6)
    assert one.weights != other.weights


@pytest.mark.parametrize("algorithm", ["FEDAVG", "SCAFFOLD"])
def test_a_killed_worker_costs_nothing_but_time(bench: Bench, algorithm: str) -> None:
    aggregation = {"algorithm": algorithm}
    calm, folder = bench.run("calm", task__aggregation=aggregation), bench.folder / "killed"
    folder.mkdir()
    killed: list[int] = []

    def kill(_: task_pb2.TaskStatus) -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        workers = [int(pid) for pid, command in commands.items() if b"spawn_main" in command]
        if len(killed) < 2 and workers:
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    scenario = bench.scenario(task__aggregation=aggregation)
    outcome = emulate(scenario, folder, on_start=lambda _: None, on_round=kill)
    assert len(killed) == 2
    assert outcome.weights == calm.weights
    assert outcome.totals == calm.totals


def test_time_is_the_devices_own(bench: Bench) -> None:
    fleet = {"examples_per_s": 4.0, "spread": 0.0, "latency": "500ms", "download_mbit_s": 1e6, "upload_mbit_s": 1e6}
    outcome = bench.run("run", fleet=fleet, task__evaluate_every=0, task__training={"goal_count": 12})
    # 16 examples to train on at 4 a second, and half a second each way; nobody differs, so all arrive together.
    assert outcome.emulated_s == pytest.approx(ROUNDS * 5.0, abs=0.01)
    assert {row["seconds"] for row in bench.rows("run")} == {"5.000"}
    assert [one.reported for one in outcome.status.rounds] == [12] * ROUNDS


def test_who_is_not_needed_is_late_and_trains_nothing(bench: Bench) -> None:
    outcome = bench.run("run", task__evaluate_every=0, task__training={"goal_count": 4, "over_selection": 3.0})
    assert outcome.totals.ended["counted"] == 4 * ROUNDS
    assert outcome.totals.ended["late"] > 4
    assert all(one.reported == 4 for one in outcome.status.rounds)
    rows = bench.rows("run")
    assert sum(int(row["bytes_up"]) for row in rows) == outcome.totals.bytes_up
    # The slowest are those that are late, in each round.
    slowest = {row["round"]: [] for row in rows}
    for row in rows:
        slowest[row["round"]].append((float(row["seconds"]), row["ended"]))
    ended = [how for _, how in sorted(slowest["1"])]
    assert ended == ["counted"] * 4 + ["late"] * (len(ended) - 4)


def test_devices_that_drop_out_make_a_round_wait_and_those_that_leave_say_so(bench: Bench) -> None:
    training = {"goal_count": 12, "over_selection": 1.0, "report_timeout": "300s", "minimum": 2}
    dropped = bench.run("dropped", fleet__dropout=0.3, task__evaluate_every=0, task__training=training)
    assert dropped.totals.ended["dropped"] > 0
    assert dropped.emulated_s > 300
    night = {"available_from": 0.0, "available_for": "1h", "available_spread": "20min", "examples_per_s": 0.02}
    long = {"goal_count": 6, "report_timeout": "7200s", "selection_timeout": "86400s", "minimum": 2}
    left = bench.run("left", fleet=night, task__evaluate_every=0, task__training=long, task__rounds=2)
    assert left.totals.ended["left"] > 0
    assert {row["ended"] for row in bench.rows("left")} <= {"left", "counted", "late"}
    begins = [float(row["began_s"]) % 86400 / 3600 for row in bench.rows("left")]
    assert all(hour < 2.5 or hour > 22.5 for hour in begins)


def test_emulated_time_may_be_over_before_the_task(bench: Bench) -> None:
    outcome = bench.run("run", longest="10s", fleet__examples_per_s=1.0, task__rounds=1000)
    assert not outcome.ended
    assert outcome.emulated_s == 10
    assert outcome.status.state == task_pb2.TASK_STATE_RUNNING


def test_a_run_that_diverges_is_given_up_with_a_reason(bench: Bench) -> None:
    outcome = bench.run("run", give_up_after=3, task__local={"learning_rate": 1e6}, task__rounds=3)
    assert isinstance(outcome.stopped, StateError)
    assert "3 rounds in a row were abandoned; a device said last: " in str(outcome.stopped)
    assert [one.state for one in outcome.status.rounds if one.state != task_pb2.ROUND_STATE_COMMITTED][:3] == [
        task_pb2.ROUND_STATE_ABANDONED
    ] * 3
    assert outcome.totals.ended["withdrawn"] > 0


def test_what_cannot_be_emulated(bench: Bench) -> None:
    with pytest.raises(DataError, match="240 examples are too few for 300 parts"):
        bench.run("many", partition__devices=300)
    with pytest.raises(PlanError, match="cannot read the plan"):
        bench.run("none", plan="nowhere.tflite")


def test_the_command_writes_what_it_says(bench: Bench) -> None:
    printed = fieldfare("emulate", "--print-scenario")
    (bench.folder / "scenario.toml").write_text(printed.stdout)
    words = ["emulate", "scenario.toml", "--output", "out", "--set", "partition.devices=12", "--set", "task.rounds=2"]
    done = fieldfare(*words, "--set", "task.training.goal_count=4", cwd=bench.folder)
    assert done.returncode == 0, done.stderr
    assert "12 devices, 240 examples: 20 to 20 on a device, median 20; 48 are held out" in done.stdout
    assert "round 2/2" in done.stdout
    out = bench.folder / "out"
    assert {"report.html", "rounds.csv", "devices.csv", "summary.json", "global.safetensors"} <= {
        one.name for one in out.iterdir()
    }
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["rounds"], summary["partition"]["devices"]) == (2, 12)
    assert summary["scenario"]["partition.devices"] == 12
    assert "An emulation of 12 devices" in (out / "report.html").read_text()
    again = fieldfare(*words, "--set", "task.training.goal_count=4", cwd=bench.folder)
    assert json.loads((out / "summary.json").read_text())["held_out"] == summary["held_out"], again.stderr
    over = fieldfare(*words, "--set", "longest=1s", "--set", "fleet.examples_per_s=0.1", cwd=bench.folder)
    assert over.returncode == 1
    assert "the emulated time is over" in over.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["emulate"], "name a scenario"),
        (["emulate", "nowhere.toml"], "cannot read nowhere.toml"),
        (["emulate", "scenario.toml", "--set", "fleet.dropot=1"], "did you mean 'dropout'"),
        (["emulate", "scenario.toml"], "cannot read the plan plan.tflite"),
    ],
)
def test_mistakes_get_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "scenario.toml").write_text("seed = 2\n")
    done = fieldfare(*words, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
