"""The comparing `report.html`."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from fieldfare.core.metrics import LOSS
from fieldfare.emulator.report import Fact, Plot, Section, Table, write_report
from fieldfare.emulator.report.plots import Curve, curves_plot, spread_plot
from fieldfare.emulator.report.units import Unit, byte_unit, energy_unit, time_unit
from fieldfare.emulator.report.words import duration, energy, nbytes, number
from fieldfare.emulator.scenario import scenario_toml
from fieldfare.emulator.sweep._comparison import Finished, Group
from fieldfare.emulator.sweep._reading import Sweep

_AXES: dict[str, tuple[str, Callable[[Sequence[float]], Unit]]] = {
    "rounds": ("round", lambda _: Unit("", 1.0)),
    "time": ("the fleet's time, {}", time_unit),
    "bytes": ("{} over all devices, both ways", byte_unit),
    "energy": ("{} over all devices", energy_unit),
}
_WORDS = {"rounds": "rounds", "time": "the fleet's time", "bytes": "traffic", "energy": "energy"}
_TARGET: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("rounds", "rounds", number),
    ("emulated_seconds", "fleet's time", duration),
    ("bytes", "traffic", nbytes),
    ("energy_joules", "energy", energy),
)


def write_page(path: Path, sweep: Sweep, finished: Sequence[Finished], groups: Sequence[Group]) -> None:
    """Render it.

    Raises:
        StorageError: it cannot be written.
    """
    metric = finished[0].metric
    varied = ", ".join(f"{axis.key} ({len(axis.values)})" for axis in sweep.axes)
    seeds = max(len(group.members) for group in groups)
    lead = f"{len(finished)} of {len(sweep.runs)} runs of one scenario. Varied: {varied}."
    facts = [
        Fact("runs", f"{len(finished)} of {len(sweep.runs)}"),
        Fact("compared", f"{len(groups):,}"),
        Fact("seeds of each", str(seeds)),
        Fact("time on this machine", duration(sum(one.summary["seconds"] for one in finished))),
    ]
    sections = [
        _curves(f"held_out_{metric}", f"held-out {metric}", groups, seeds),
        _finals(metric, groups),
        _target(finished, groups),
        _runs(metric, finished),
        Section(
            "Scenario", f"Of the first run, {sweep.runs[0].title}.", verbatim=scenario_toml(sweep.runs[0].scenario)
        ),
    ]
    if metric != LOSS:
        sections.insert(1, _curves("held_out_loss", "held-out loss", groups, seeds))
    title = f"Fieldfare: {sweep.runs[0].scenario.task.name}, compared"
    kept = [section for section in sections if section.plots or section.tables or section.verbatim]
    write_report(path, title=title, lead=lead, facts=facts, sections=kept)


def _curves(what: str, name: str, groups: Sequence[Group], seeds: int) -> Section:
    against = ["rounds", "time", "bytes"]
    if any(one.columns["energy_j"].sum() for group in groups for one in group.members):
        against.append("energy")
    text = "Lines are means over the seeds, as far as all of them were measured; bands are one standard deviation wide"
    text = f"{text} to each side." if seeds > 1 else ""
    return Section(name.capitalize(), text, [Plot("", _curve_plot(what, name, one, groups)) for one in against])


def _curve_plot(what: str, name: str, against: str, groups: Sequence[Group]) -> str:
    found = [(group, *group.band(what, against)) for group in groups]
    axis, unit_of = _AXES[against]
    unit = unit_of([x[-1] for _, x, _, _ in found if len(x)])
    curves = [
        Curve(group.title, x / unit.size, mean, mean - spread, mean + spread)
        if len(group.members) > 1
        else Curve(group.title, x / unit.size, mean)
        for group, x, mean, spread in found
    ]
    title = f"{name} against {_WORDS[against]}"
    return curves_plot(curves, title=title, x=axis.format(unit.name), y=name, whole_x=against == "rounds")


def _finals(metric: str, groups: Sequence[Group]) -> Section:
    rows = []
    for group in groups:
        final, best = (group.mean([getattr(one, which) for one in group.members]) for which in ("final", "best"))
        worst = group.mean([one.summary["fairness"]["worst_tenth"] or math.nan for one in group.members])
        rows.append((group.title, str(len(group.members)), _spread(final), _spread(best), _spread(worst)))
    header = ("", "seeds", f"final {metric}", f"best {metric}", "worst tenth of devices")
    plot = spread_plot({group.title: [one.final for one in group.members] for group in groups}, what=f"final {metric}")
    return Section(
        "Where they ended", "Mean and standard deviation over the seeds.", [Plot("", plot)], [Table("", header, rows)]
    )


def _target(finished: Sequence[Finished], groups: Sequence[Group]) -> Section:
    target = next((one.summary["target"] for one in finished if one.summary["target"]), None)
    if target is None:
        return Section("What the target took")
    rows = []
    for group in groups:
        reached = [one for one in group.members if one.summary["target"] and one.summary["target"]["reached"]]
        told = [
            write(group.mean([one.at_target(key) for one in reached])[0]) if reached else "-"
            for key, _, write in _TARGET
        ]
        rows.append((group.title, f"{len(reached)} of {len(group.members)}", *told))
    header = ("", "seeds that reached it", *(name for _, name, _ in _TARGET))
    text = f"The target is {target['metric']} {target['value']:g}; means over the seeds that reached it."
    return Section("What the target took", text, [], [Table("", header, rows)])


def _runs(metric: str, finished: Sequence[Finished]) -> Section:
    rows = [
        (
            one.run.name,
            one.summary["outcome"],
            _figure(one.final),
            _figure(one.best),
            str(one.summary["rounds"]),
            duration(one.summary["emulated_seconds"]),
            nbytes(one.summary["bytes_up"] + one.summary["bytes_down"]),
            energy(one.summary["energy_joules"]),
        )
        for one in finished
    ]
    header = ("folder", "outcome", f"final {metric}", f"best {metric}", "rounds", "fleet's time", "traffic", "energy")
    return Section("Runs", "Each has a report of its own in its folder.", [], [Table("", header, rows, 2)])


def _spread(found: tuple[float, float]) -> str:
    mean, deviation = found
    return "-" if math.isnan(mean) else f"{mean:.4f} \N{PLUS-MINUS SIGN} {deviation:.4f}"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
