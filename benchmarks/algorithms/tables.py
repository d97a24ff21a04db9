"""The comparison as Markdown."""

import os
import platform
import statistics
from collections.abc import Sequence
from importlib import metadata

from benchmarks.algorithms.comparison import Entry, Extent
from benchmarks.algorithms.problems import PROBLEMS

_KNOBS = {"task.aggregation.server_learning_rate": "server", "task.local.proximal_mu": "mu"}


def table(problem: str, entries: Sequence[Entry]) -> str:
    """A row for each contender; the first one is what the others are compared with."""
    target = PROBLEMS[problem].target
    head = f"| algorithm | settings | accuracy | against FedAvg | better with | rounds to {target:g} | fleet's hours |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    base = [one.final for one in entries[0].curves]
    for entry in entries:
        finals = [one.final for one in entry.curves]
        against, wins = ("", "") if entry is entries[0] else _against(finals, base)
        hours = statistics.median(one.fleet_s for one in entry.curves) / 3600
        lines.append(
            f"| {entry.contender.name} | {_settings(entry)} | {_spread(finals)} | {against} | {wins} "
            f"| {_rounds(entry, target)} | {hours:.2f} |"
        )
    return "\n".join(lines)


def how_it_was_made(extent: Extent, seconds: float) -> str:
    """Seeds, machine, versions."""
    names = ("numpy", "ai-edge-litert", "keras", "tensorflow")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    seeds = ", ".join(map(str, extent.seeds))
    tuned = f"tuned with seed {extent.tuning_seed}" if extent.tuned else "not tuned"
    return (
        f"Seeds {seeds}; {tuned}. {os.cpu_count()} cores ({platform.machine()}), {seconds / 60:.0f} minutes; "
        f"CPython {platform.python_version()}, {versions}."
    )


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Mean of paired differences, and half the width of its 95 % confidence interval (Student's t)."""
    from scipy import stats

    count = len(differences)
    if count == 1:
        return differences[0], float("inf")
    width = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(differences) / count**0.5
    return statistics.fmean(differences), width


def _against(finals: Sequence[float], base: Sequence[float]) -> tuple[str, str]:
    differences = [one - other for one, other in zip(finals, base, strict=True)]
    mean, width = interval(differences)
    verdict = "**better**" if mean > width else "worse" if mean < -width else "alike"
    wins = sum(one > 0 for one in differences)
    return f"{verdict}, {mean:+.3f} ± {width:.3f}", f"{wins} of {len(differences)} seeds"


def _settings(entry: Entry) -> str:
    knob = entry.contender.knob
    named = (("task.local.learning_rate", "device"), (knob, _KNOBS[knob]))
    return ", ".join(f"{name} {entry.values[key]:g}{'*' if key in entry.at_edge else ''}" for key, name in named)


def _spread(finals: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(finals):.3f}" if len(finals) > 1 else ""
    return f"{statistics.fmean(finals):.3f}{spread}"


def _rounds(entry: Entry, target: float) -> str:
    """The median over the seeds, those that never come there counted as the slowest."""
    reached = sorted(one.rounds_to(target) or 10**9 for one in entry.curves)
    median = reached[len(reached) // 2]
    never = sum(one == 10**9 for one in reached)
    words = f" ({never} never)" if never else ""
    return ("-" if median == 10**9 else str(median)) + words
