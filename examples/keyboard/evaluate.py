"""Next words, federated over the roles of the plays: `python -m examples.keyboard.evaluate --help`."""

import argparse
import os
import sys
from pathlib import Path

from examples.keyboard.experiment.measure import Recall
from examples.keyboard.experiment.settings import full, short
from examples.keyboard.experiment.stages import STAGES, Experiment, open_experiment
from fieldfare.core.errors import FieldfareError

FILE = "shakespeare_roles.jsonl.gz"


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for, and print the table of those that have been run."""
    options = _parser().parse_args(arguments)
    make = short if options.short else full
    try:
        experiment = open_experiment(
            options.output,
            options.data / FILE,
            make(options.seed, options.processes),
            seed=options.seed,
            resume=options.resume,
            say=_say,
        )
        for name in options.stages:
            STAGES[name](experiment)
        print(table(experiment))
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def table(experiment: Experiment) -> str:
    """Markdown, of the stages that have been run."""
    lines = ["| model | top-1 recall | top-3 recall | of central's top-3 |", "|---|---|---|---|"]
    rows = _rows(experiment)
    central = rows.get("central")
    for name, recall in rows.items():
        share = "" if central is None else f"{100 * recall.top3 / central.top3:.1f} %"
        lines.append(f"| {name} | {100 * recall.top1:.2f} % | {100 * recall.top3:.2f} % | {share} |")
    return "\n".join(lines)


def _rows(experiment: Experiment) -> dict[str, Recall]:
    rows: dict[str, Recall] = {}
    for label, stage, key in (
        ("untrained", "baselines", "untrained"),
        ("most frequent words", "baselines", "frequent"),
        ("federated", "federated", "recall"),
        ("central", "central", "recall"),
        ("federated, personalised", "personal", "own"),
    ):
        if (experiment.output / f"{stage}.json").is_file():
            rows[label] = Recall(**experiment.read(stage)[key])
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.keyboard.evaluate", description=__doc__)
    data = Path(os.environ.get("FIELDFARE_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, metavar="FOLDER", help=f"where {FILE} is")
    parser.add_argument("--output", type=Path, default=Path("runs/keyboard"), metavar="FOLDER", help="for the results")
    parser.add_argument("--short", action="store_true", help="twelve roles and a small model, for a quick look")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="worker processes of the devices")
    parser.add_argument("--resume", action="store_true", help="go on after the last phase of rounds that was finished")
    parser.add_argument("--stages", nargs="+", choices=tuple(STAGES), default=tuple(STAGES), help="default: all")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
