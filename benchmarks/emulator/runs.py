"""A run of one side in a process of its own: when its rounds ended, and the largest memory."""

import itertools
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measuring.processes import end, pss_bytes

ROOT = Path(__file__).resolve().parents[2]
_WEIGH_EVERY_S = 1.0


class FailedError(Exception):
    """A side did not finish; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Of one run.

    Attributes:
        first_s: seconds from the start of the process to the end of the first round.
        rounds_s: seconds of each later round.
        all_bytes: PSS of all its processes, the largest of several looks.
    """

    first_s: float
    rounds_s: tuple[float, ...]
    all_bytes: int


def run(
    command: Sequence[str | Path], progress: Path, *, environment: Mapping[str, str], patience_s: float = 1800.0
) -> Timed:
    """Start a side, wait for its end, and read its notes.

    Args:
        command: appends a line with `time.perf_counter()` to `progress` at the end of each round.
        progress: the file.
        environment: of the process.
        patience_s: how long to wait.

    Raises:
        FailedError: it ended with an error, or did not end.
    """
    log = progress.with_name("log")
    with log.open("wb") as output:
        started = time.perf_counter()
        process = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(environment), cwd=ROOT)
        try:
            largest = _watch(process, started + patience_s)
        finally:
            end(process)
    if process.returncode != 0:
        raise FailedError("\n".join(log.read_text(errors="replace").splitlines()[-8:]))
    ends = [float(line) for line in progress.read_text().split()]
    return Timed(ends[0] - started, tuple(b - a for a, b in itertools.pairwise(ends)), largest)


def _watch(process: psutil.Popen, give_up: float) -> int:
    largest = 0
    while True:
        try:
            process.wait(_WEIGH_EVERY_S)
        except psutil.TimeoutExpired:
            largest = max(largest, pss_bytes([process.pid]))
        else:
            return largest
        if time.perf_counter() > give_up:
            raise FailedError("it did not end in time")


def python() -> str:
    """This interpreter."""
    return sys.executable
