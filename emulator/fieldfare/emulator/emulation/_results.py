"""What a run leaves to read."""

import platform
from collections import Counter
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from fieldfare.core.files import save_weights
from fieldfare.core.metrics import LOSS
from fieldfare.core.plans import Manifest, runtime_version
from fieldfare.core.tasks import TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation._emulate import Outcome
from fieldfare.emulator.records import record_fleet
from fieldfare.emulator.report import (
    Fact,
    Plot,
    RoundRow,
    devices_plot,
    learning_plot,
    round_rows,
    traffic_plot,
    write_report,
    write_rounds_csv,
    write_summary,
)
from fieldfare.emulator.scenario import Scenario, scenario_values


def main_metric(task: TaskSpec, manifest: Manifest) -> str:
    """What is shown beside the loss: the target's metric, else the plan's first, else the loss itself."""
    if task.target is not None:
        return task.target.metric
    return next((name for name in manifest.metric_names if name != LOSS), LOSS)


def write_results(folder: Path, scenario: Scenario, outcome: Outcome) -> None:
    """Write `report.html`, `rounds.csv`, `devices.parquet`, `summary.json` and `global.safetensors`.

    Raises:
        StorageError: the folder cannot be written.
    """
    specs, weights = unpack_weights(outcome.weights)
    save_weights(folder / "global.safetensors", specs, weights)
    metric = main_metric(scenario.task, outcome.manifest)
    record = record_fleet(
        folder / "devices.csv",
        folder / "devices.parquet",
        devices=outcome.statistics.devices,
        metric=metric,
        metrics=outcome.metrics,
    )
    rows = round_rows(outcome.status.rounds, record.joules)
    write_rounds_csv(folder / "rounds.csv", rows)
    write_summary(folder / "summary.json", _summary(scenario, outcome, rows))
    _write_page(folder / "report.html", scenario, outcome, rows)


def describe_ends(ended: Counter[str]) -> str:
    """Such as "100 counted, 27 late"."""
    return ", ".join(f"{count} {how}" for how, count in ended.most_common()) or "none"


def _summary(scenario: Scenario, outcome: Outcome, rows: list[RoundRow]) -> dict[str, Any]:
    totals, statistics = outcome.totals, outcome.statistics
    return {
        "outcome": _how_it_ended(outcome),
        "rounds": len(rows),
        "held_out": dict(rows[-1].held_out) if rows else {},
        "assignments": dict(totals.ended),
        "excluded": dict(outcome.excluded),
        "bytes_up": totals.bytes_up,
        "bytes_down": totals.bytes_down,
        "energy_joules": round(totals.energy_j, 3),
        "device_seconds": round(totals.device_seconds, 3),
        "emulated_seconds": round(outcome.emulated_s, 3),
        "seconds": round(outcome.seconds, 3),
        "partition": asdict(statistics),
        "scenario": scenario_values(scenario),
        "versions": {
            "fieldfare": metadata.version("fieldfare"),
            "litert": runtime_version(),
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    }


def _write_page(path: Path, scenario: Scenario, outcome: Outcome, rows: list[RoundRow]) -> None:
    metric, task, totals = main_metric(scenario.task, outcome.manifest), scenario.task, outcome.totals
    held_out = rows[-1].held_out.get(metric) if rows else None
    statistics = outcome.statistics
    facts = [
        Fact(f"held-out {metric} on devices", "-" if held_out is None else f"{held_out:.4f}"),
        Fact("training rounds", str(len(rows))),
        Fact("devices", f"{statistics.devices:,}"),
        Fact("emulated time", _duration(outcome.emulated_s)),
        Fact("time on this machine", _duration(outcome.seconds)),
        Fact("traffic, up and down", f"{totals.bytes_up / 1e6:.1f} and {totals.bytes_down / 1e6:.1f} MB"),
        Fact("examples of a device", f"{statistics.fewest} to {statistics.most}, median {statistics.median:g}"),
        Fact("seed", str(scenario.settings.seed)),
    ]
    target = None if task.target is None else task.target.value
    plots = [
        Plot(
            "Measured on the devices, on examples that they never train on.",
            learning_plot(rows, metric=metric, target=target),
        ),
        Plot("Payload bytes of checkpoints and updates.", traffic_plot(rows, metric=metric)),
        Plot(f"How the devices' parts in rounds ended: {describe_ends(totals.ended)}.", devices_plot(rows)),
    ]
    lead = f"An emulation of {statistics.devices:,} devices, in emulated time. Ended: {_how_it_ended(outcome)}."
    write_report(path, title=f"Fieldfare: {task.name}", lead=lead, facts=facts, plots=plots, rows=rows)


def _how_it_ended(outcome: Outcome) -> str:
    return outcome.status.reason if outcome.ended else "the emulated time was over before the task had ended"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
