"""`summary.json`: what a run came to, for programs. `docs/emulator_report.md` tells what each field is."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

from fieldfare.core.metrics import LOSS
from fieldfare.core.plans import Manifest, runtime_version
from fieldfare.core.tasks import TargetSpec, TaskSpec, lower_is_better
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.records import FleetRecord
from fieldfare.emulator.report import RoundRow
from fieldfare.emulator.scenario import Scenario, scenario_toml, scenario_values

_MOST_REASONS = 20


def main_metric(task: TaskSpec, manifest: Manifest) -> str:
    """What is shown beside the loss: the target's metric, else the plan's first, else the loss itself."""
    if task.target is not None:
        return task.target.metric
    return next((name for name in manifest.metric_names if name != LOSS), LOSS)


def is_lower_better(task: TaskSpec, metric: str) -> bool:
    """Whether small values of the main metric are good ones."""
    return task.target.lower_is_better if task.target is not None else lower_is_better(metric)


def describe_ends(ended: Counter[str]) -> str:
    """Such as "100 counted, 27 late"."""
    return ", ".join(f"{count} {how}" for how, count in ended.most_common()) or "none"


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    return {
        "fieldfare": metadata.version("fieldfare"),
        "litert": runtime_version(),
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def summary_of(scenario: Scenario, outcome: Outcome, rows: Sequence[RoundRow], record: FleetRecord) -> dict[str, Any]:
    """All fields."""
    task, totals = scenario.task, outcome.totals
    metric = main_metric(task, outcome.manifest)
    lower = is_lower_better(task, metric)
    return {
        "outcome": outcome.how_it_ended,
        "complete": outcome.ended,
        "stopped": outcome.stopped is not None,
        "rounds": len(rows),
        "held_out": dict(rows[-1].held_out) if rows else {},
        "metric": metric,
        "lower_is_better": lower,
        "best": _best(rows, metric, lower=lower),
        "target": None if task.target is None else _at_target(rows, task.target),
        "fairness": _fairness(record, lower=lower),
        "participation": {"devices": outcome.statistics.devices, "trained": record.took_part},
        "assignments": dict(totals.ended),
        "reasons": _reasons(record),
        "excluded": dict(outcome.excluded),
        "bytes_up": totals.bytes_up,
        "bytes_down": totals.bytes_down,
        "energy_joules": round(totals.energy_j, 3),
        "device_seconds": round(totals.device_seconds, 3),
        "emulated_seconds": round(outcome.emulated_s, 3),
        "seconds": round(outcome.seconds, 3),
        "partition": asdict(outcome.statistics),
        "scenario": scenario_values(scenario),
        "scenario_toml": scenario_toml(scenario),
        "versions": versions(),
    }


def _reasons(record: FleetRecord) -> list[dict[str, Any]]:
    """The most frequent ones of parts that did not count."""
    told = [(how, why, count) for (how, why), count in record.reasons.most_common() if why]
    return [{"ended": how, "why": why, "times": count} for how, why, count in told[:_MOST_REASONS]]


def _best(rows: Sequence[RoundRow], metric: str, *, lower: bool) -> dict[str, Any] | None:
    measured = [row for row in rows if metric in row.held_out]
    if not measured:
        return None
    row = (min if lower else max)(measured, key=lambda one: one.held_out[metric])
    return {"round": row.version, "value": row.held_out[metric]}


def _at_target(rows: Sequence[RoundRow], target: TargetSpec) -> dict[str, Any]:
    """What it took until an evaluation first reached the target."""
    found: dict[str, Any] = {"metric": target.metric, "value": target.value, "reached": False}
    for count, row in enumerate(rows, 1):
        if target.metric in row.held_out and target.reached(row.held_out[target.metric]):
            so_far = rows[:count]
            return found | {
                "reached": True,
                "rounds": row.version,
                "emulated_seconds": round(row.ended_s, 3),
                "bytes": sum(one.bytes_up + one.bytes_down for one in so_far),
                "energy_joules": round(sum(one.energy_j for one in so_far), 3),
            }
    return found


def _fairness(record: FleetRecord, *, lower: bool) -> dict[str, Any]:
    measured, worst = record.measured, record.worst(lower_is_better=lower)
    if not len(measured):
        return {"devices": 0, "mean": None, "deviation": None, "worst_tenth": None}
    return {
        "devices": len(measured),
        "mean": float(measured.mean()),
        "deviation": float(measured.std()),
        "worst_tenth": float(worst.mean()),
    }
