"""Emulate the scenarios whose result is known, and compare what they reach with what they must reach.

    python -m examples.emulation.check --output runs/known
    python -m examples.emulation.check --short --only digits

Exit status 1 where one of them misses. `--output` keeps data, plans and a report for each scenario and seed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.emulation.centralised import measure, split_of
from examples.emulation.known import KNOWN
from examples.emulation.prepare import prepare
from fieldfare.core.command import quiet_log
from fieldfare.core.errors import FieldfareError, StateError
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation import emulate, write_results
from fieldfare.emulator.results_folder import prepare_folder
from fieldfare.emulator.scenario import Scenario, read_scenario

SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a scenario with a seed; `centralised` is None where the short form does not need it."""

    name: str
    seed: int
    reached: float
    must_reach: float
    centralised: float | None

    @property
    def holds(self) -> bool:
        """Whether it reached what it must."""
        return KNOWN[self.name].reaches(self.reached, self.must_reach)

    def __str__(self) -> str:
        known = KNOWN[self.name]
        sign = "<=" if known.metric == "RMSE" else ">="
        central = "-" if self.centralised is None else f"{self.centralised:.4f}"
        word = "" if self.holds else " **missed**"
        return (
            f"| {self.name} | {self.seed} | {known.metric} | {self.reached:.4f}{word} "
            f"| {sign} {self.must_reach:.4f} | {central} |"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run them and print the table."""
    options = _parser().parse_args(arguments)
    try:
        if options.output is not None:
            return _run(options, options.output)
        with tempfile.TemporaryDirectory(prefix="known-") as folder:
            return _run(options, Path(folder))
    except FieldfareError as error:
        print(f"check: {error}", file=sys.stderr)
        return error.exit_status


def _run(options: argparse.Namespace, folder: Path) -> int:
    print("| scenario | seed | | reached | must reach | centralised |\n|---|---|---|---|---|---|", flush=True)
    missed = 0
    for name in options.only:
        file = prepare(name, folder / name)
        for row in _rows(name, file, options):
            print(row, flush=True)
            missed += not row.holds
    return 1 if missed else 0


def _rows(name: str, file: Path, options: argparse.Namespace) -> Iterator[Row]:
    known = KNOWN[name]
    for seed in options.seeds or (SEEDS[:1] if options.short else SEEDS):
        values = {"seed": seed, "engine.workers": options.workers, **(known.short if options.short else {})}
        scenario = read_scenario(file, values)
        split, plan = split_of(scenario), scenario.settings.plan
        needed = known.relative or not options.short
        central = known.centralised(plan, split, seed) if needed else None
        means = measure(plan, _emulated(scenario, file.parent / f"seed-{seed}"), split.held_out)
        reached = means["loss"] ** 0.5 if known.metric == "RMSE" else means[known.metric]
        yield Row(name, seed, reached, known.bar(central, short=options.short), central)


def _emulated(scenario: Scenario, folder: Path) -> NDArray[np.float32]:
    """Run the scenario; the weights of its last round."""
    prepare_folder(folder, "emulation")
    with quiet_log():
        outcome = emulate(scenario, folder, on_start=lambda _: None, on_round=lambda _: None)
    write_results(folder, scenario, outcome)
    if not outcome.ended:
        raise StateError(f"the fleet's time was over before the task had ended: {folder / 'report.html'} tells more")
    return unpack_weights(outcome.weights)[1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--short", action="store_true", help="fewer rounds and lower figures, one seed: what the test suite runs")
    add("--only", nargs="+", choices=sorted(KNOWN), default=sorted(KNOWN), metavar="NAME", help="%(choices)s")
    add("--seeds", nargs="+", type=int, metavar="N", help="of partition, fleet and shuffling (1 2 3; short: 1)")
    add("--workers", type=int, default=2, metavar="N", help="worker processes (%(default)s)")
    add("--output", type=Path, metavar="DIR", help="keep data, plans and reports here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
