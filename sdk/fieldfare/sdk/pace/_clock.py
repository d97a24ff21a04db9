"""Moments that a later process can measure from, though somebody may have set the clock in between."""

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# One for each process, where the system has no name for its start.
_PROCESS = f"process {os.urandom(16).hex()}"


class RunningClock(Protocol):
    """Seconds since some start, on a clock that nobody can set."""

    @property
    def start(self) -> str:
        """A name of that start: two readings with the same name can be subtracted."""
        ...

    def seconds(self) -> float:
        """Seconds since then."""
        ...


class MachineClock:
    """Since the machine was started, sleep included (Linux); elsewhere the process's own monotonic clock.

    Args:
        boot_id: file with the kernel's name of this start; another one in tests.
    """

    def __init__(self, boot_id: Path = _BOOT_ID) -> None:
        self._clock = getattr(time, "CLOCK_BOOTTIME", None)
        try:
            self._start = boot_id.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            self._start = ""
        if not self._start or self._clock is None:
            self._start, self._clock = _PROCESS, None

    @property
    def start(self) -> str:
        """The kernel's id of this boot, or one of this process."""
        return self._start

    def seconds(self) -> float:
        """Seconds since then."""
        return time.monotonic() if self._clock is None else time.clock_gettime(self._clock)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on two clocks.

    Attributes:
        wall: timezone-aware; anybody may set that clock.
        start: of the running clock.
        running_s: seconds on the running clock.
    """

    wall: datetime
    start: str
    running_s: float


def elapsed(then: Moment, now: Moment) -> timedelta | None:
    """How long ago `then` was; None where that cannot be told, because the clock on the wall was set back.

    Between two moments of one start the running clock counts, whatever became of the other. Else it is the wall's.
    """
    if then.start == now.start:
        return timedelta(seconds=max(now.running_s - then.running_s, 0.0))
    passed = now.wall - then.wall
    return None if passed < timedelta(0) else passed
