"""What a room registers under the entry-point group "fieldfare.commands"."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Console:
    """The streams of one call, so that a command can be run and read by a test."""

    out: TextIO
    err: TextIO

    def say(self, line: str = "") -> None:
        """Write a line for the user, at once."""
        print(line, file=self.out, flush=True)

    def warn(self, line: str) -> None:
        """Write a line beside the output."""
        print(line, file=self.err, flush=True)


@dataclass(frozen=True, slots=True)
class Command:
    """One sub-command.

    Attributes:
        summary: one line for `fieldfare --help`.
        configure: adds arguments to the sub-command's parser. It must set the default `run`, a function of the parsed
            arguments and the console that returns the exit status; heavy imports belong inside that function.
    """

    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
