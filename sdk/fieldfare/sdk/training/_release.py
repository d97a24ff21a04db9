"""Giving memory back between rounds."""

import ctypes
import gc
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from fieldfare.core.sessions import Participation
from fieldfare.sdk.training._trainer import LocalTrainer

# A plan that will not be needed for so long is let go of; loading it again takes some hundredths of a second.
_KEPT_S = 10.0


@runtime_checkable
class Unloadable(Protocol):
    """A `LocalTrainer` that can let go of its plan, so that a device that waits holds no more than it has to."""

    def unload(self) -> None:
        """Let the plan go; the next `load` brings it back. Does nothing where none is loaded."""
        ...


def give_back_memory() -> None:
    """Have the C library return freed memory to the system, where it is glibc: it keeps most of it otherwise."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Release:
    """Unloads a trainer that can be unloaded, once nothing was to be done for a while, or will be.

    Args:
        trainer: of the device.
        seconds: on a clock that only goes forward.
    """

    def __init__(self, trainer: LocalTrainer, seconds: Callable[[], float]) -> None:
        self._trainer, self._seconds, self._worked = trainer, seconds, seconds()

    def after(self, participation: Participation) -> None:
        """A participation has ended."""
        if participation.assignment is not None:
            self._worked = self._seconds()
        quiet = self._seconds() - self._worked + participation.come_back_after.total_seconds()
        if quiet >= _KEPT_S and isinstance(self._trainer, Unloadable):
            self._trainer.unload()
