"""Parsing, dispatch and the last line of defence against stack traces."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from fieldfare.core.command._command import Command, Console
from fieldfare.core.errors import FieldfareError

_GROUP = "fieldfare.commands"
_INTERRUPTED = 130


def main() -> int:
    """Entry point of the `fieldfare` script."""
    return run(sys.argv[1:], Console(sys.stdout, sys.stderr), os.environ, metadata.entry_points(group=_GROUP))


def run(
    argv: Sequence[str], console: Console, environ: Mapping[str, str], entries: Sequence[metadata.EntryPoint]
) -> int:
    """Run one sub-command and return its exit status.

    A `FieldfareError` becomes one line on `console.err` and its exit status; a stack trace appears only with
    `--traceback` before the sub-command or FIELDFARE_TRACEBACK=1. A sub-command whose extra is not installed says so.
    """
    by_name = {entry.name: entry for entry in entries}
    parser = argparse.ArgumentParser(
        prog="fieldfare",
        description="Train one model on many devices whose data never leaves them.",
        epilog="`fieldfare COMMAND --help` tells more. Documentation: README.md and docs/.",
    )
    parser.add_argument("--version", action="version", version=f"fieldfare {metadata.version('fieldfare')}")
    parser.add_argument("--traceback", action="store_true", help="show the stack trace of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    traceback = environ.get("FIELDFARE_TRACEBACK") == "1"
    try:
        for name in sorted(by_name):
            _add(commands, by_name[name])
        options = parser.parse_args(list(argv))
        traceback = traceback or options.traceback
        return int(options.run(options, console))
    except FieldfareError as error:
        if traceback:
            raise
        console.warn(f"fieldfare: {error}")
        return error.exit_status
    except ModuleNotFoundError as error:
        extras = by_name[options.command_name].extras
        if traceback or not extras or (error.name or "").startswith("fieldfare"):
            raise
        console.warn(
            f"fieldfare: `fieldfare {options.command_name}` needs the extra {extras[0]!r} ({error.name} is missing): "
            f"pip install 'fieldfare[{extras[0]}]'"
        )
        return 1
    except KeyboardInterrupt:
        console.warn("fieldfare: interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        return 1


def _add(commands: Any, entry: metadata.EntryPoint) -> None:
    """Add one sub-command's parser. One that cannot be imported fails when it is run, and leaves the others usable."""
    try:
        command: Command = entry.load()
    except ModuleNotFoundError as missing:
        error = missing
    else:
        sub = commands.add_parser(entry.name, help=command.summary, description=command.summary)
        command.configure(sub)
        sub.set_defaults(command_name=entry.name)
        return

    def fail(_options: argparse.Namespace, _console: Console) -> int:
        raise error

    # Safe: no argument begins with NUL, so all of them are taken as they come.
    sub = commands.add_parser(
        entry.name, help=f"not installed ({error.name} is missing)", add_help=False, prefix_chars="\0"
    )
    sub.add_argument("arguments", nargs="*")
    sub.set_defaults(command_name=entry.name, run=fail)
