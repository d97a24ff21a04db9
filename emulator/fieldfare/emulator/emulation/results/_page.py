"""`report.html` of an emulation."""

from collections.abc import Sequence
from pathlib import Path

from fieldfare.core.metrics import LOSS
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.emulation.results._fleet_sections import (
    availability_section,
    costs_section,
    durations_section,
    ends_section,
    fairness_section,
    participation_section,
)
from fieldfare.emulator.emulation.results._partition_section import partition_section
from fieldfare.emulator.emulation.results._summary import is_lower_better, main_metric, versions
from fieldfare.emulator.records import FleetRecord
from fieldfare.emulator.report import Fact, Plot, RoundRow, Section, rounds_section, write_report
from fieldfare.emulator.report.plots import (
    Against,
    cohort_plot,
    energy_plot,
    learning_plot,
    loss_plot,
    round_seconds_plot,
    traffic_plot,
)
from fieldfare.emulator.report.words import duration, nbytes
from fieldfare.emulator.scenario import Scenario, scenario_toml


def write_page(path: Path, scenario: Scenario, outcome: Outcome, rows: Sequence[RoundRow], record: FleetRecord) -> None:
    """Render it.

    Raises:
        StorageError: it cannot be written.
    """
    task = scenario.task
    metric = main_metric(task, outcome.manifest)
    lower = is_lower_better(task, metric)
    sections = [
        learning_section(rows, metric=metric, target=None if task.target is None else task.target.value),
        fairness_section(record, metric=metric, lower_is_better=lower),
        participation_section(record, outcome),
        ends_section(record),
        availability_section(outcome.available, record),
        durations_section(record),
        costs_section(rows, outcome, record),
        per_round_section(rows),
        partition_section(outcome.statistics),
        rounds_section(rows),
        Section("Scenario", f"As it was run; its seed is {scenario.settings.seed}.", verbatim=scenario_toml(scenario)),
        Section("Versions", verbatim="\n".join(f"{name} {version}" for name, version in versions().items())),
    ]
    lead = f"An emulation of {outcome.statistics.devices:,} devices, in emulated time. Ended: {outcome.how_it_ended}."
    if not rows and (told := [pair for pair, _ in record.reasons.most_common() if pair[1]]):
        lead += f" No round was committed; most frequent reason: {told[0][0]}, {told[0][1]}."
    facts = _facts(scenario, outcome, rows, metric)
    write_report(path, title=f"Fieldfare: {task.name}", lead=lead, facts=facts, sections=sections)


def learning_section(rows: Sequence[RoundRow], *, metric: str, target: float | None) -> Section:
    """Metric and loss against what they have cost."""
    against: list[Against] = ["rounds", "time", "bytes"]
    if any(row.energy_j for row in rows):
        against.append("energy")
    plots: list[Plot] = []
    for one in against:
        if metric != LOSS:
            plots.append(Plot("", learning_plot(rows, metric=metric, target=target, against=one)))
        plots.append(Plot("", loss_plot(rows, against=one)))
    text = "Held-out values are measured on the devices, on examples that they never train on."
    return Section("What the model learnt, and what it took", text, plots)


def per_round_section(rows: Sequence[RoundRow]) -> Section:
    """What single rounds took."""
    plots = [Plot("", cohort_plot(rows)), Plot("", round_seconds_plot(rows)), Plot("", traffic_plot(rows))]
    if any(row.energy_j for row in rows):
        plots.append(Plot("", energy_plot(rows)))
    return Section("Single rounds", "More devices are asked than are needed, since some drop out.", plots)


def _facts(scenario: Scenario, outcome: Outcome, rows: Sequence[RoundRow], metric: str) -> list[Fact]:
    held_out = rows[-1].held_out.get(metric) if rows else None
    totals, statistics = outcome.totals, outcome.statistics
    return [
        Fact(f"held-out {metric} on devices", "-" if held_out is None else f"{held_out:.4f}"),
        Fact("training rounds", str(len(rows))),
        Fact("devices", f"{statistics.devices:,}"),
        Fact("emulated time", duration(outcome.emulated_s)),
        Fact("time on this machine", duration(outcome.seconds)),
        Fact("traffic up", nbytes(totals.bytes_up)),
        Fact("traffic down", nbytes(totals.bytes_down)),
        Fact("seed", str(scenario.settings.seed)),
    ]
