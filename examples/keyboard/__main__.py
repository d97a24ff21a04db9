"""The keyboard: `python -m examples.keyboard --help`."""

import argparse
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from examples.keyboard.app.app import KeyboardApp
from examples.keyboard.app.keyboard import PLAN, Keyboard, KeyboardSettings
from fieldfare.core.errors import FieldfareError
from fieldfare.sdk import Conditions

_POPULATION = "keyboards"


def main(arguments: list[str] | None = None) -> int:
    """Run the app until it is quit."""
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            address = options.aggregator
            if options.local:
                address = stack.enter_context(_local(options))
            settings = KeyboardSettings(
                options.folder,
                options.model,
                address,
                options.population,
                Conditions() if options.always else Conditions(on_power=True, unmetered=True),
                options.tls_ca,
                options.enrollment_key,
            )
            KeyboardApp(stack.enter_context(Keyboard(settings))).run()
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _local(options: argparse.Namespace) -> AbstractContextManager[str]:
    from examples.keyboard.app.local import local_aggregator
    from examples.keyboard.prepare import own_texts, prepare

    if not (options.model / PLAN).is_file():
        print("making a model of the project's documentation; this takes a minute, and only once")
        prepare(options.model, own_texts(), epochs=5)
    return local_aggregator(options.folder / "aggregator", options.model / PLAN, options.population)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.keyboard", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--aggregator", default="127.0.0.1:8470", metavar="HOST:PORT")
    where.add_argument("--local", action="store_true", help="run an aggregator for this keyboard alone, to try it")
    parser.add_argument("--folder", type=Path, default=Path("runs/keyboard-app"), help="yours: examples and ledger")
    parser.add_argument("--model", type=Path, default=Path("runs/keyboard-model"), help="plan and vocabulary")
    parser.add_argument("--population", default=_POPULATION)
    parser.add_argument("--always", action="store_true", help="also work on battery and on a metered network")
    parser.add_argument("--tls-ca", type=Path, metavar="PEM", help="authorities to trust")
    parser.add_argument("--enrollment-key", default="", metavar="KEY", help="where the aggregator asks for one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
