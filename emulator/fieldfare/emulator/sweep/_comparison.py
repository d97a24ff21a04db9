"""What the runs came to, read from their folders, and together where they differ by their seed only."""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.emulator.scenario import scenario_values
from fieldfare.emulator.sweep._axes import describe, short_names
from fieldfare.emulator.sweep._reading import SweepRun

SEED = "seed"
Floats = NDArray[np.float64]

_POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """One run that has ended.

    Attributes:
        run: which.
        summary: its `summary.json`.
        columns: of its `rounds.csv`, `(rounds,)` each, NaN where a cell is empty.
    """

    run: SweepRun
    summary: Mapping[str, Any]
    columns: Mapping[str, Floats]

    @property
    def metric(self) -> str:
        """The main one."""
        return str(self.summary["metric"])

    @property
    def final(self) -> float:
        """The main metric at the last evaluation; NaN where there was none."""
        return float(self.summary["held_out"].get(self.metric, np.nan))

    @property
    def best(self) -> float:
        """The best of all evaluations; NaN where there was none."""
        return float((self.summary["best"] or {"value": np.nan})["value"])

    def at_target(self, name: str) -> float:
        """What it took until the target was reached, such as "rounds"; NaN where it was not, or there is none."""
        return float((self.summary["target"] or {}).get(name, np.nan))

    def curve(self, what: str, against: str) -> tuple[Floats, Floats]:
        """Where it was measured.

        Args:
            what: a column.
            against: "rounds", "time", "bytes" or "energy".

        Returns:
            Both `(n,)`: the horizontal and the vertical axis.
        """
        columns = self.columns
        x = {
            "rounds": columns["round"],
            "time": columns["ended_s"],
            "bytes": np.cumsum(columns["bytes_up"] + columns["bytes_down"]),
            "energy": np.cumsum(columns["energy_j"]),
        }[against]
        y = columns.get(what, np.full(len(x), np.nan))
        return x[~np.isnan(y)], y[~np.isnan(y)]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Runs that differ by their seed only.

    Attributes:
        title: what is the same for them, for people.
        values: the same, by dotted key.
        members: one for each seed.
    """

    title: str
    values: Mapping[str, Any]
    members: tuple[Finished, ...]

    def mean(self, values: Sequence[float]) -> tuple[float, float]:
        """Mean and standard deviation over the seeds; of one value 0; NaN where a value is missing."""
        found = np.array(values, np.float64)
        spread = float(found.std(ddof=1)) if len(found) > 1 else 0.0
        return float(found.mean()), spread

    def band(self, what: str, against: str) -> tuple[Floats, Floats, Floats]:
        """Mean and standard deviation over the seeds, where all of them have been measured.

        Returns:
            `(n,)` each: horizontal axis, mean, deviation. Between measurements lines are straight.
        """
        curves = [one.curve(what, against) for one in self.members]
        if any(len(x) == 0 for x, _ in curves):
            return np.zeros(0), np.zeros(0), np.zeros(0)
        first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
        at = np.unique(np.concatenate([x[(x >= first) & (x <= last)] for x, _ in curves]))
        if len(at) > _POINTS:
            at = np.linspace(first, last, _POINTS)
        values = np.stack([np.interp(at, x, y) for x, y in curves])
        spread = values.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros(len(at))
        return at, values.mean(axis=0), spread


def grouped(finished: Sequence[Finished]) -> list[Group]:
    """The runs by everything that is varied but the seed."""
    members: dict[str, list[Finished]] = defaultdict(list)
    for one in finished:
        members[json.dumps(_but_seed(one.run.values), default=str)].append(one)
    groups = []
    for found in members.values():
        values = _but_seed(found[0].run.values)
        title = describe(values, short_names(list(values))) or "all seeds"
        groups.append(Group(title, values, tuple(found)))
    return groups


def read_finished(run: SweepRun, folder: Path) -> Finished | None:
    """What a run has left; None where it has not ended yet.

    Raises:
        ConfigError: its scenario was another one.
        StorageError: a file of it cannot be read.
    """
    path = folder / "summary.json"
    if not path.is_file():
        return None
    try:
        summary = json.loads(path.read_bytes())
        with (folder / "rounds.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise StorageError(f"the results in {folder} cannot be read: {error}; run without --resume") from error
    if summary.get("stopped", True):
        return None
    _check_same(run, summary.get("scenario"), folder)
    names = list(rows[0]) if rows else ["round", "ended_s", "bytes_up", "bytes_down", "energy_j"]
    columns = {name: np.array([float(row[name] or "nan") for row in rows], np.float64) for name in names}
    return Finished(run, summary, columns)


def _check_same(run: SweepRun, before: Any, folder: Path) -> None:
    """Which engine has run it changes nothing."""
    now = json.loads(json.dumps(scenario_values(run.scenario)))
    known = before if isinstance(before, dict) else {}
    for key, value in now.items():
        if not key.startswith("engine.") and known.get(key) != value:
            raise ConfigError(f"the run in {folder} was another one: run without --resume", field=key)


def _but_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != SEED}
