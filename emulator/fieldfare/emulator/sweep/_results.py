"""`sweep.csv`, `groups.csv` and the comparing `report.html`."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from fieldfare.core.files import write_atomically
from fieldfare.emulator.sweep._axes import short_names
from fieldfare.emulator.sweep._comparison import Finished, Group, grouped
from fieldfare.emulator.sweep._page import write_page
from fieldfare.emulator.sweep._reading import Sweep

_AT_TARGET = ("rounds", "emulated_seconds", "bytes", "energy_joules")


def write_comparison(folder: Path, sweep: Sweep, finished: Sequence[Finished]) -> None:
    """Compare the runs that have ended so far.

    Raises:
        StorageError: the folder cannot be written.
    """
    groups = grouped(finished)
    write_atomically(folder / "sweep.csv", _csv(_run_rows(sweep, finished)))
    write_atomically(folder / "groups.csv", _csv(_group_rows(sweep, groups)))
    write_page(folder / "report.html", sweep, finished, groups)


def _run_rows(sweep: Sweep, finished: Sequence[Finished]) -> Iterable[Sequence[object]]:
    names = short_names([axis.key for axis in sweep.axes])
    yield (
        "run", *names.values(), "outcome", "metric", "final", "best", "rounds", "emulated_seconds", "bytes",
        "energy_joules", "worst_tenth", "target_reached", *(f"target_{name}" for name in _AT_TARGET),
    )  # fmt: skip
    for one in finished:
        summary = one.summary
        yield (
            one.run.name,
            *(one.run.values[key] for key in names),
            summary["outcome"],
            one.metric,
            _number(one.final),
            _number(one.best),
            summary["rounds"],
            summary["emulated_seconds"],
            summary["bytes_up"] + summary["bytes_down"],
            summary["energy_joules"],
            summary["fairness"]["worst_tenth"],
            (summary["target"] or {}).get("reached", ""),
            *(_number(one.at_target(name)) for name in _AT_TARGET),
        )


def _group_rows(sweep: Sweep, groups: Sequence[Group]) -> Iterable[Sequence[object]]:
    names = {key: name for key, name in short_names([axis.key for axis in sweep.axes]).items() if key != "seed"}
    told = ("final", "best", *(f"target_{name}" for name in _AT_TARGET))
    spread = [f"{name}_{what}" for name in told for what in ("mean", "deviation")]
    yield (*names.values(), "seeds", "reached_target", *spread)
    for group in groups:
        members = group.members
        series = [[one.final for one in members], [one.best for one in members]]
        series += [[one.at_target(name) for one in members] for name in _AT_TARGET]
        reached = sum(bool((one.summary["target"] or {}).get("reached")) for one in members)
        figures = [_number(figure) for values in series for figure in group.mean(values)]
        yield (*(group.values[key] for key in names), len(members), reached, *figures)


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.7g}"
