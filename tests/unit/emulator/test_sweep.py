"""What is varied, and what the runs come to together."""

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.emulator.emulation import Outcome
from fieldfare.emulator.report import RoundRow, write_rounds_csv
from fieldfare.emulator.scenario import read_scenario, scenario_values
from fieldfare.emulator.sweep import (
    Axis,
    SweepRun,
    grouped,
    parse_axis,
    read_finished,
    read_sweep,
    run_sweep,
    sweep_from_mapping,
    write_comparison,
)
from tests.unit.emulator.page import Page

ALGORITHMS = Axis("task.aggregation.algorithm", ("FEDAVG", "FEDPROX"))
SEEDS = Axis("seed", (1, 2, 3))
TREE = {"task": {"rounds": 3}}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=1,2,3", (1, 2, 3)),
        ("task.aggregation.algorithm=FEDAVG,FEDPROX", ("FEDAVG", "FEDPROX")),
        ("longest=1h, 2h", ("1h", "2h")),
        ("fleet.dropout=0.5", (0.5,)),
        ("task.encoding=[['float16'], []]", (["float16"], [])),
    ],
)
def test_an_axis_from_the_command_line(text: str, values: tuple[Any, ...]) -> None:
    axis = parse_axis(text)
    assert (axis.key, axis.values) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", "needs KEY=VALUE,VALUE"),
        ("seed=", "needs KEY=VALUE,VALUE"),
        ("=1,2", "needs KEY=VALUE"),
        ("seed=[1,", "is no list in TOML"),
        ("seed=[]", "needs at least one value"),
        ("seed=1,1", "has the value 1 twice"),
    ],
)
def test_what_is_no_axis(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        parse_axis(text)


def test_each_value_meets_each_of_the_others() -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (7, 8))])
    assert [run.title for run in sweep.runs] == [
        "algorithm=FEDAVG seed=7",
        "algorithm=FEDAVG seed=8",
        "algorithm=FEDPROX seed=7",
        "algorithm=FEDPROX seed=8",
    ]
    last = sweep.runs[-1].scenario
    assert (last.settings.seed, last.task.aggregation.algorithm.name, last.task.rounds) == (8, "FEDPROX", 3)


def test_a_file_names_axes_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text('seed = 9\n[sweep]\nseed = [1, 2]\n"fleet.dropout" = [0.1]\n[sweep.task.local]\nepochs = [1, 5]\n')
    sweep = read_sweep(path, {"task.rounds": 2}, [Axis("seed", (4,))])
    assert [dict(run.values) for run in sweep.runs] == [
        {"seed": 4, "fleet.dropout": 0.1, "task.local.epochs": 1},
        {"seed": 4, "fleet.dropout": 0.1, "task.local.epochs": 5},
    ]
    assert {run.scenario.task.rounds for run in sweep.runs} == {2}
    with pytest.raises(ConfigError, match=r"sweep: makes several runs"):
        read_scenario(path)


def test_cases_vary_several_keys_at_once() -> None:
    cases = {
        "plain": {},
        "prox": {"task": {"aggregation": {"algorithm": "FEDPROX"}, "local": {"proximal_mu": 0.1}}},
        "lossy": {"fleet.dropout": 0.25},
    }
    sweep = sweep_from_mapping({"sweep": {"seed": [1, 2], "cases": cases}})
    assert [run.title for run in sweep.runs][:3] == ["case=plain seed=1", "case=plain seed=2", "case=prox seed=1"]
    assert sweep.runs[2].scenario.task.local.proximal_mu == 0.1
    assert sweep.runs[0].scenario.task.local.proximal_mu == 0
    assert sweep.runs[4].scenario.settings.fleet.dropout == 0.25


def test_without_an_axis_there_is_one_run() -> None:
    sweep = sweep_from_mapping(TREE)
    assert (sweep.axes, len(sweep.runs)) == ((), 1)


@pytest.mark.parametrize(
    ("tree", "axes", "message"),
    [
        ({"sweep": {"seed": 3}}, [], r"^sweep\.seed: needs a list of values, got 3"),
        ({"sweep": 3}, [], r"^sweep: needs a list of values"),
        ({"sweep": {"cases": {"a": 3}}}, [], r"^sweep\.cases: needs a table for each case"),
        ({"sweep": {"cases": {}}}, [], r"^sweep\.case: needs at least one value"),
        ({"sweep": {"cases": {"a": {"seed": 1}}}}, [SEEDS], r"^sweep\.seed: is varied twice"),
        ({}, [Axis("sed", (1,))], r"^sed: there is no such key; did you mean 'seed'\? \(in the run sed=1\)"),
        ({}, [Axis("fleet.dropout", (0.1, 2.0))], r"^fleet\.dropout: must be .* \(in the run dropout=2\.0\)"),
        ({}, [Axis("seed", tuple(range(101)))], "would be 101 runs; 100 are the most"),
        ({}, [SEEDS, SEEDS], "names a key twice"),
    ],
)
def test_a_sweep_that_cannot_be(tree: dict[str, Any], axes: list[Axis], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep_from_mapping(tree, axes)


def test_folders_have_names_of_their_own_that_are_legal() -> None:
    long = "x" * 200
    axis = Axis("data.source", ("a/b.npz", "a_b.npz", "../c.npz", long + "1", long + "2"))
    names = [run.name for run in sweep_from_mapping({}, [axis]).runs]
    assert len(set(names)) == 5
    assert names[1] == "source=a_b.npz"
    assert all("/" not in name and len(name) < 100 and not name.startswith(".") for name in names)
    assert names == [run.name for run in sweep_from_mapping({}, [axis]).runs]


def test_keys_that_end_alike_are_told_whole() -> None:
    axes = [Axis("task.training.goal_count", (3,)), Axis("task.evaluation.goal_count", (4,))]
    (run,) = sweep_from_mapping({}, axes).runs
    assert run.title == "task.training.goal_count=3 task.evaluation.goal_count=4"


def left(run: SweepRun, folder: Path, values: list[float], *, target: int | None = None, **summary: Any) -> None:
    """Write what a run would have left: accuracies round by round; the target was reached in a round."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        RoundRow(number, 1.0 / number, {"accuracy": one, "loss": 1 - one}, 4, 1, 100, 200, 5.0, 10.0 * number, 2.0)
        for number, one in enumerate(values, 1)
    ]
    write_rounds_csv(folder / "rounds.csv", rows)
    at_target = {"metric": "accuracy", "value": 0.8, "reached": target is not None}
    if target is not None:
        at_target |= {"rounds": target, "emulated_seconds": 10.0 * target, "bytes": 300 * target, "energy_joules": 2.0}
    found = {
        "outcome": "done", "complete": True, "stopped": False, "metric": "accuracy", "lower_is_better": False,
        "held_out": rows[-1].held_out if rows else {}, "rounds": len(rows), "target": at_target,
        "best": {"round": 1, "value": max(values)} if values else None, "fairness": {"worst_tenth": 0.25},
        "bytes_up": 100, "bytes_down": 200, "energy_joules": 2.0, "emulated_seconds": 30.0, "seconds": 1.0,
        "scenario": scenario_values(run.scenario),
    } | summary  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(found))


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Two algorithms with two seeds each; one algorithm reaches the target with one of them."""
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2))])
    figures = [([0.2, 0.4, 0.6], None), ([0.4, 0.6, 0.8], 3), ([0.5, 0.6, 0.5], None), ([0.5, 0.7], None)]
    for run, (values, target) in zip(sweep.runs, figures, strict=True):
        left(run, tmp_path / run.name, values, target=target)
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def no_run(_run: SweepRun, _own: Path, _resume: bool) -> Outcome:
    raise AssertionError("all runs are finished")


def test_finished_runs_are_kept_and_compared(four: Path) -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2))])
    told: list[tuple[int, bool]] = []
    finished = run_sweep(sweep, four, no_run, resume=True, on_run=lambda number, _, done: told.append((number, done)))
    assert told == [(1, True), (2, True), (3, True), (4, True)]
    assert [one.final for one in finished] == [0.6, 0.8, 0.5, 0.7]
    single = rows_of(four / "sweep.csv")
    assert [row["algorithm"] for row in single] == ["FEDAVG", "FEDAVG", "FEDPROX", "FEDPROX"]
    assert [(row["final"], row["best"], row["target_rounds"]) for row in single] == [
        ("0.6", "0.6", ""), ("0.8", "0.8", "3"), ("0.5", "0.6", ""), ("0.7", "0.7", ""),
    ]  # fmt: skip
    both = rows_of(four / "groups.csv")
    assert [row["algorithm"] for row in both] == ["FEDAVG", "FEDPROX"]
    assert (both[0]["seeds"], both[0]["reached_target"]) == ("2", "1")
    assert float(both[0]["final_mean"]) == pytest.approx(0.7)
    assert float(both[0]["final_deviation"]) == pytest.approx(math.sqrt(0.02))
    # One seed never reached it, so there is no mean to tell.
    assert both[0]["target_rounds_mean"] == ""


def test_a_band_is_mean_and_deviation_where_all_seeds_were_measured(four: Path) -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2))])
    finished = [read_finished(run, four / run.name) for run in sweep.runs]
    first, second = grouped([one for one in finished if one is not None])
    x, mean, spread = first.band("held_out_accuracy", "rounds")
    assert x.tolist() == [1, 2, 3]
    assert mean.tolist() == pytest.approx([0.3, 0.5, 0.7])
    assert spread.tolist() == pytest.approx([math.sqrt(0.02)] * 3)
    assert second.band("held_out_accuracy", "time")[0].tolist() == [10, 20]
    assert second.band("held_out_accuracy", "bytes")[0].tolist() == [300, 600]
    assert second.band("held_out_accuracy", "energy")[1].tolist() == pytest.approx([0.5, 0.65])
    assert [len(one) for one in first.band("held_out_other", "rounds")] == [0, 0, 0]


def test_between_measurements_lines_are_straight() -> None:
    def member(at: list[float], y: list[float]) -> Any:
        return SimpleNamespace(curve=lambda _what, _against: (np.array(at), np.array(y)))

    group = grouped([])
    assert group == []
    from fieldfare.emulator.sweep import Group

    both = Group("a", {}, (member([0, 10], [0.0, 1.0]), member([5, 15], [0.5, 1.5])))
    x, mean, spread = both.band("y", "time")
    assert (x.tolist(), mean.tolist(), spread.tolist()) == ([5, 10], [0.5, 1.0], [0, 0])


def test_the_page_compares(four: Path) -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2))])
    write_comparison(four, sweep, [one for run in sweep.runs if (one := read_finished(run, four / run.name))])
    page = Page((four / "report.html").read_text())
    assert page.texts["h2"] == [
        "Held-out accuracy", "Held-out loss", "Where they ended", "What the target took", "Runs", "Scenario",
    ]  # fmt: skip
    cells = {row[0]: row[1:] for row in page.table}
    assert cells["algorithm=FEDAVG"] == ["1 of 2", "3", "30.0 s", "900 bytes", "2.0 J"]
    assert ["algorithm=FEDAVG", "2", "0.7000 ± 0.1414", "0.7000 ± 0.1414", "0.2500 ± 0.0000"] in page.table
    assert page.remote == []


def test_runs_without_an_evaluation_are_compared_too(tmp_path: Path) -> None:
    sweep = sweep_from_mapping(TREE, [Axis("seed", (1, 2))])
    for run in sweep.runs:
        left(run, tmp_path / run.name, [], target=None, fairness={"worst_tenth": None})
    finished = run_sweep(sweep, tmp_path, no_run, resume=True)
    assert all(math.isnan(one.final) for one in finished)
    assert rows_of(tmp_path / "groups.csv")[0]["final_mean"] == ""
    assert "No evaluation has measured this." in (tmp_path / "report.html").read_text()


def test_a_run_that_is_not_finished_is_run_and_one_that_is_stopped_stops_the_sweep(four: Path) -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2, 3))])
    begun: list[str] = []

    def stops(run: SweepRun, own: Path, resume: bool) -> Any:
        begun.append(run.title)
        left(run, own, [0.1], stopped=True)
        return SimpleNamespace(stopped=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, four, stops, resume=True)
    assert begun == ["algorithm=FEDAVG seed=3"]
    # Those before it are compared; its own results do not count as a finished run's.
    assert len(rows_of(four / "sweep.csv")) == 2
    assert read_finished(sweep.runs[2], four / sweep.runs[2].name) is None


def test_a_finished_run_of_another_scenario_is_refused(four: Path) -> None:
    sweep = sweep_from_mapping({**TREE, "fleet": {"dropout": 0.5}}, [ALGORITHMS, Axis("seed", (1, 2))])
    with pytest.raises(ConfigError, match=r"^fleet\.dropout: the run in .* was another one: run without --resume"):
        run_sweep(sweep, four, no_run, resume=True)
    other_engine = sweep_from_mapping({**TREE, "engine": {"workers": 7}}, [ALGORITHMS, Axis("seed", (1, 2))])
    assert len(run_sweep(other_engine, four, no_run, resume=True)) == 4


@pytest.mark.parametrize("name", ["summary.json", "rounds.csv"])
def test_damaged_results_are_told(four: Path, name: str) -> None:
    sweep = sweep_from_mapping(TREE, [ALGORITHMS, Axis("seed", (1, 2))])
    (four / sweep.runs[0].name / name).write_bytes(b"\xff{")
    with pytest.raises(StorageError, match="cannot be read"):
        read_finished(sweep.runs[0], four / sweep.runs[0].name)
