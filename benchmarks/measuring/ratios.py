"""Ratios that a benchmark came to: printed with their goals, stored, and held against what was stored."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STORED = Path(__file__).parents[1] / "stored" / "aggregator.json"
# Two cores that others use too: a ratio differs by up to a third from run to run; lost work costs a half and more.
MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio and the bound that it should keep: at least `bound`, or at most where `at_most`."""

    value: float
    bound: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def worse_than(self, stored: float) -> bool:
        """Whether the ratio is clearly worse than one of an earlier run."""
        return self.value > stored * MARGIN if self.at_most else self.value < stored / MARGIN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--store` and `--check`."""
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--store", action="store_true", help="take this run's ratios as those to hold")
    action.add_argument("--check", action="store_true", help="end with 1 where a ratio is clearly worse than stored")


def machine() -> str:
    """What the figures were measured on."""
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors"


def settle(
    benchmark: str, goals: Mapping[str, Goal], options: argparse.Namespace, measured: str, *, path: Path | None = None
) -> None:
    """Print the ratios beside their goals, then store or check them as the options say; `path` is for others' files."""
    path = path or STORED
    for name, goal in goals.items():
        word = "at most" if goal.at_most else "at least"
        print(f"{name}: {goal.value:.3g} (goal: {word} {goal.bound:g}, {'met' if goal.met else 'missed'})")
    stored = json.loads(path.read_text()) if path.exists() else {}
    if options.store:
        before = stored.get(benchmark, {}).get("ratios", {})
        ratios = before | {name: float(f"{goal.value:.3g}") for name, goal in goals.items()}
        stored[benchmark] = {"measured": measured, "ratios": ratios}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
    if options.check:
        known = stored.get(benchmark, {}).get("ratios", {})
        problems = [f"{name}: no stored ratio; run with --store" for name in goals if name not in known]
        problems += [
            f"{name}: {goal.value:.3g}, stored is {known[name]:.3g}"
            for name, goal in goals.items()
            if name in known and goal.worse_than(known[name])
        ]
        if problems:
            sys.exit("\n".join(problems))
