"""Tunes every algorithm on a seed of its own, and runs each with what was found on the seeds that count."""

from dataclasses import dataclass
from typing import Any

from benchmarks.algorithms.contenders import CONTENDERS, Contender
from benchmarks.algorithms.problems import PROBLEMS
from benchmarks.algorithms.runs import Curve, Run
from benchmarks.algorithms.stored_runs import StoredRuns


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is run.

    Attributes:
        contenders: by name; FedAvg is among them.
        tuning_seed: is none of `seeds`.
        seeds: those that count; the same for all contenders.
        share: of a problem's rounds that a whole run has.
        tuned: False for the middle of each grid instead of its best.
    """

    contenders: tuple[str, ...]
    tuning_seed: int
    seeds: tuple[int, ...]
    share: float
    tuned: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender on a problem.

    Attributes:
        contender: which.
        values: the settings that were chosen.
        at_edge: the chosen settings that are at the edge of what was tried.
        curves: one for each seed.
    """

    contender: Contender
    values: dict[str, Any]
    at_edge: frozenset[str]
    curves: tuple[Curve, ...]


def compare(problem: str, extent: Extent, runs: StoredRuns) -> list[Entry]:
    """All contenders on one problem.

    Tuning runs have half of the rounds; what counts is `Curve.final`.
    """
    contenders = [CONTENDERS[name] for name in extent.contenders]
    chosen = _choose(contenders, problem, extent, runs)
    curves = _with_all_seeds(chosen, problem, extent, runs)
    return [
        Entry(one, values, _at_edge(one, problem, values), row)
        for one, values, row in zip(contenders, chosen, curves, strict=True)
    ]


def compare_as_published(problem: str, extent: Extent, runs: StoredRuns) -> list[Entry]:
    """Those contenders that a paper compares on the problem, with its settings; none where there is no such paper."""
    contenders = [CONTENDERS[name] for name, _ in PROBLEMS[problem].published]
    settings = [
        {"task.aggregation.algorithm": one.algorithm, **values}
        for one, (_, values) in zip(contenders, PROBLEMS[problem].published, strict=True)
    ]
    curves = _with_all_seeds(settings, problem, extent, runs)
    return [Entry(one, values, frozenset(), row) for one, values, row in zip(contenders, settings, curves, strict=True)]


def _with_all_seeds(
    settings: list[dict[str, Any]], problem: str, extent: Extent, runs: StoredRuns
) -> list[tuple[Curve, ...]]:
    rounds = _even(PROBLEMS[problem].rounds * extent.share)
    wanted = [Run(problem, values, seed, rounds) for values in settings for seed in extent.seeds]
    return [tuple(row) for row in _in_rows(runs.curves(wanted), len(extent.seeds))]


def _choose(contenders: list[Contender], problem: str, extent: Extent, runs: StoredRuns) -> list[dict[str, Any]]:
    """For each of them the settings that come out best."""
    grids = [one.grid(PROBLEMS[problem]) for one in contenders]
    if not extent.tuned:
        return [grid[len(grid) // 2] for grid in grids]
    rounds = _even(_even(PROBLEMS[problem].rounds * extent.share) / 2)
    tried = [Run(problem, values, extent.tuning_seed, rounds) for grid in grids for values in grid]
    rows = _in_rows(runs.curves(tried), len(grids[0]))
    return [grid[max(range(len(grid)), key=lambda at: row[at].final)] for grid, row in zip(grids, rows, strict=True)]


def _in_rows(curves: list[Curve], size: int) -> list[list[Curve]]:
    return [curves[start : start + size] for start in range(0, len(curves), size)]


def _at_edge(contender: Contender, problem: str, values: dict[str, Any]) -> frozenset[str]:
    grid = contender.grid(PROBLEMS[problem])
    tried = {key: [one[key] for one in grid] for key in ("task.local.learning_rate", contender.knob)}
    return frozenset(key for key, all_of_it in tried.items() if values[key] in {min(all_of_it), max(all_of_it)})


def _even(rounds: float) -> int:
    """To a round that is measured, and to ten at the least."""
    return max(10, 2 * round(rounds / 2))
