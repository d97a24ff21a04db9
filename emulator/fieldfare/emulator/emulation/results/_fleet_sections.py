"""Sections of the page on the devices: how they fared, and what it took them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.records import FleetRecord, LogHistogram
from fieldfare.emulator.report import Plot, RoundRow, Section, Table
from fieldfare.emulator.report.plots import (
    availability_plot,
    durations_plot,
    ends_plot,
    fairness_plot,
    participation_plot,
)
from fieldfare.emulator.report.words import duration, energy, nbytes, number, share

_MOST_REASONS = 20
_TELLS = {
    "counted": "its report is in the result",
    "late": "its report came when the round had what it needed, or after its time limit",
    "dropped": "nothing more was heard of it",
    "left": "its conditions did not hold any more, and it said so",
    "refused": "its report did not pass the aggregator's checks",
    "withdrawn": "it gave up by itself, and said so",
}


def fairness_section(record: FleetRecord, *, metric: str, lower_is_better: bool) -> Section:
    """How well the model serves single devices."""
    values, worst = record.measured, record.worst(lower_is_better=lower_is_better)
    text = "For each device its latest evaluation. A model may be good on average and useless for some."
    plots = [Plot("", fairness_plot(values, worst, metric=metric))]
    if not len(values):
        return Section("Fairness", text, plots)
    best = np.sort(values)[: len(worst)] if lower_is_better else np.sort(values)[-len(worst) :]
    rows = [
        ("devices that were evaluated", f"{len(values):,}"),
        (f"mean {metric}", number(values.mean())),
        ("standard deviation over devices", number(values.std())),
        ("median device", number(np.median(values))),
        (f"mean of the worst tenth ({len(worst):,})", number(worst.mean())),
        ("worst device", number(worst[0])),
        ("mean of the best tenth", number(best.mean())),
    ]
    return Section("Fairness", text, plots, [Table("", (f"{metric}, device by device", ""), rows)])


def participation_section(record: FleetRecord, outcome: Outcome) -> Section:
    """Who took part, and who was never asked."""
    devices = outcome.statistics.devices
    asked = int(np.count_nonzero(record.asked))
    counts = record.trained[record.trained > 0]
    rows = [
        ("devices of the fleet", f"{devices:,}", ""),
        ("asked at least once", f"{asked:,}", share(asked, devices)),
        ("at least one training report counted", f"{record.took_part:,}", share(record.took_part, devices)),
        ("training reports of a device that took part, median", number(np.median(counts)) if len(counts) else "-", ""),
        ("most training reports of one device", f"{int(counts.max()) if len(counts) else 0:,}", ""),
    ]
    rows += [(f"never asked: {why}", f"{count:,}", share(count, devices)) for why, count in outcome.excluded.items()]
    table = Table("", ("", "number", "of the fleet"), rows)
    return Section("Who took part", "", [Plot("", participation_plot(record.trained))], [table])


def ends_section(record: FleetRecord) -> Section:
    """Who dropped out, and why."""
    ends: dict[str, int] = {}
    for (_, how), count in record.ends.items():
        ends[how] = ends.get(how, 0) + count
    by_kind = [
        (how, _TELLS.get(how, ""), *(f"{record.ends[kind, how]:,}" for kind in ("training", "evaluation")))
        for how, _ in sorted(ends.items(), key=lambda one: -one[1])
    ]
    tables = [
        Table("How the devices' parts in rounds ended", ("ended", "that is", "training", "evaluation"), by_kind, 2)
    ]
    told = [(*pair, f"{count:,}") for pair, count in record.reasons.most_common() if pair[1]]
    if told:
        most = f", the {_MOST_REASONS} most frequent" if len(told) > _MOST_REASONS else ""
        caption = f"In the devices' and the aggregator's words{most}"
        tables.append(Table(caption, ("ended", "why", "times"), told[:_MOST_REASONS], 2))
    return Section("Who dropped out, and why", "", [Plot("", ends_plot(ends))], tables if by_kind else [])


def availability_section(available: NDArray[np.float64], record: FleetRecord) -> Section:
    """When devices could work, and when they were asked to."""
    mean, fewest, most = (f"{100 * one:.0f} %" for one in (available.mean(), available.min(), available.max()))
    text = f"Share of the fleet: {mean} on average, {fewest} in the emptiest hour of the week, {most} in the fullest."
    given = record.hours.astype(np.float64)
    shown = (
        availability_plot(available, title="devices available, by hour", what="share of the fleet", percent=True),
        availability_plot(given, title="work given to devices, by hour", what="assignments", percent=False),
    )
    plots = [Plot("", one) for one in shown]
    return Section("When devices are available", text, plots)


def durations_section(record: FleetRecord) -> Section:
    """How long parts took that were finished."""
    parts: dict[str, LogHistogram] = {
        "all": record.seconds,
        "computing": record.compute_s,
        "transferring": record.transfer_s,
    }
    rows = [
        (name, *(duration(one.quantile(level)) for level in (0.05, 0.5, 0.95)))
        for name, one in parts.items()
        if one.total
    ]
    plot = durations_plot({name: one.filled() for name, one in parts.items()})
    tables = [Table("", ("a part's time", "5 % are below", "median", "5 % are above"), rows)] if rows else []
    text = "Of the parts that ended with a report: all of its time, what went into computing, and into transfers."
    return Section("How long it took a device", text, [Plot("", plot)], tables)


def costs_section(rows: Sequence[RoundRow], outcome: Outcome, record: FleetRecord) -> Section:
    """What it took in all, and for each round."""
    totals, rounds = outcome.totals, len(rows)
    parts = sum(totals.ended.values())

    def amounts(name: str, value: float, write: Callable[[float], str]) -> tuple[str, ...]:
        a_round, a_part = (write(value / count) if count else "-" for count in (rounds, parts))
        return name, write(value), a_round, a_part

    found = [
        amounts("devices' time", totals.device_seconds, duration),
        amounts("of it computing", record.compute_total_s, duration),
        amounts("of it transferring", record.transfer_total_s, duration),
        amounts("bytes up", totals.bytes_up, nbytes),
        amounts("bytes down", totals.bytes_down, nbytes),
    ]
    if totals.energy_j:
        found.append(amounts("energy", totals.energy_j, energy))
    text = (
        f"{duration(totals.device_seconds)} of devices' time, {nbytes(totals.bytes_up + totals.bytes_down)} of traffic"
    )
    text += f", {energy(totals.energy_j)} of energy." if totals.energy_j else "."
    return Section("What it cost", text, [], [Table("", ("", "in all", "a round", "a device's part"), found)])
