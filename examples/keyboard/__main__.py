"""The keyboard: `python -m examples.keyboard --help`."""

import argparse
import sys
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path

from examples.keyboard.app.app import KeyboardApp
from examples.keyboard.app.keyboard import PLAN, Keyboard, KeyboardSettings
from fieldfare.core.errors import ConfigError, FieldfareError
from fieldfare.sdk import Conditions

_POPULATION = "keyboards"
_PAUSE_S, _LOCAL_PAUSE_S, _LONGEST_PAUSE_S = 900, 20, 604_800


def main(arguments: list[str] | None = None) -> int:
    """Run the app until it is quit."""
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            address = options.aggregator
            if options.local:
                address = stack.enter_context(_local(options))
            settings = KeyboardSettings(
                folder=options.folder,
                model=options.model,
                aggregator=address,
                population=options.population,
                conditions=Conditions() if options.always else Conditions(on_power=True, unmetered=True),
                pause=timedelta(seconds=_pause_s(options)),
                tls_ca=options.tls_ca,
                enrollment_key=options.enrollment_key,
            )
            KeyboardApp(stack.enter_context(Keyboard(settings))).run()
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _pause_s(options: argparse.Namespace) -> float:
    if options.pause is None:
        return _LOCAL_PAUSE_S if options.local else _PAUSE_S
    if not 0 <= options.pause <= _LONGEST_PAUSE_S:
        raise ConfigError(f"must be 0 to {_LONGEST_PAUSE_S} seconds", field="--pause")
    return float(options.pause)


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
    pause = f"between two rounds of this device ({_PAUSE_S}; with --local {_LOCAL_PAUSE_S})"
    parser.add_argument("--pause", type=float, metavar="SECONDS", help=pause)
    parser.add_argument("--tls-ca", type=Path, metavar="PEM", help="authorities to trust")
    parser.add_argument("--enrollment-key", default="", metavar="KEY", help="where the aggregator asks for one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
