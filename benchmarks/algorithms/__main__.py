"""Every algorithm beside FedAvg on fleets whose devices are unlike each other, emulated.

    python -m benchmarks.algorithms --output runs/algorithms
    python -m benchmarks.algorithms --short --problems labels

Each algorithm is tuned on a seed of its own, with as many settings as any other one, and then runs with five more.
Runs that are over are kept in the output folder: the same command goes on after an interruption.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.algorithms.comparison import Extent, compare, compare_as_published
from benchmarks.algorithms.contenders import CONTENDERS
from benchmarks.algorithms.plots import draw
from benchmarks.algorithms.problems import PROBLEMS
from benchmarks.algorithms.stored_runs import StoredRuns
from benchmarks.algorithms.tables import how_it_was_made, table
from fieldfare.core.command import quiet_native_output
from fieldfare.core.errors import FieldfareError

_ALL = Extent(tuple(CONTENDERS), tuning_seed=101, seeds=(1, 2, 3, 4, 5), share=1.0, tuned=True)
_SHORT = Extent(("FedAvg", "SCAFFOLD"), tuning_seed=101, seeds=(1,), share=1 / 3, tuned=False)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.output is not None:
            return _run(options, options.output)
        with tempfile.TemporaryDirectory(prefix="algorithms-") as folder:
            return _run(options, Path(folder))
    except FieldfareError as error:
        print(f"algorithms: {error}", file=sys.stderr)
        return error.exit_status


def _run(options: argparse.Namespace, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    extent, began = _SHORT if options.short else _ALL, time.monotonic()
    runs = StoredRuns(folder, options.processes, lambda told: print(told, file=sys.stderr, flush=True))
    parts, found = [], {}
    for name in options.problems:
        problem, place = PROBLEMS[name], folder / name
        if not (place / "plan.tflite").exists():
            place.mkdir(exist_ok=True)
            with quiet_native_output():
                problem.prepare(place)
        found[name] = compare(name, extent, runs)
        part = f"## {name}\n\n{problem.summary}.\n\n{table(name, found[name])}\n"
        if problem.published and not options.short:
            published = table(name, compare_as_published(name, extent, runs))
            part += f"\nWith the settings that were published:\n\n{published}\n"
        parts.append(part)
        print(part, flush=True)
    parts.append(how_it_was_made(extent, time.monotonic() - began) + "\n")
    print(parts[-1])
    (folder / "report.md").write_text("\n".join(parts), encoding="utf-8")
    draw(folder / "curves.svg", found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="algorithms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, metavar="DIR", help="keep runs, report.md and curves.svg here")
    add("--problems", nargs="+", choices=sorted(PROBLEMS), default=sorted(PROBLEMS), metavar="NAME", help="%(choices)s")
    add("--processes", type=int, default=2, metavar="N", help="runs at a time (%(default)s)")
    add("--short", action="store_true", help="two algorithms, one seed, a third of the rounds, nothing tuned")
    return parser


if __name__ == "__main__":
    sys.exit(main())
