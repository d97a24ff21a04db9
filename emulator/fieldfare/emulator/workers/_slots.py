"""Memory that this process and its workers share, so that updates do not go through pipes."""

import mmap
import os
import tempfile
from collections.abc import Iterable
from multiprocessing import reduction
from typing import Any


class Slots:
    """Equal pieces of shared memory, made here and written by workers; gone with the last process that has it.

    Args:
        count: how many; may be none.
        nbytes: of each.
    """

    def __init__(self, count: int, nbytes: int) -> None:
        descriptor = _nameless_file()
        os.ftruncate(descriptor, max(1, count * nbytes))
        self._open(descriptor, nbytes, range(count))

    def _open(self, descriptor: int, nbytes: int, free: Iterable[int]) -> None:
        self._descriptor, self._nbytes, self._free = descriptor, nbytes, list(free)
        self._memory = mmap.mmap(descriptor, 0)

    def __reduce__(self) -> tuple[Any, ...]:
        """For a process that is being started."""
        return _opened, (reduction.DupFd(self._descriptor), self._nbytes)

    def take(self) -> int | None:
        """A slot that nobody uses; None where all are in use."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int | None) -> None:
        """The slot's content is not needed any more."""
        if slot is not None:
            self._free.append(slot)

    def view(self, slot: int, nbytes: int) -> memoryview:
        """What a worker has written there."""
        start = slot * self._nbytes
        return memoryview(self._memory)[start : start + nbytes].toreadonly()

    def write(self, slot: int | None, payload: bytes | memoryview) -> bool:
        """In a worker: whether the payload found room in the slot."""
        if slot is None or not 0 < len(payload) <= self._nbytes:
            return False
        start = slot * self._nbytes
        self._memory[start : start + len(payload)] = payload
        return True

    def close(self) -> None:
        """Let go of it. Safe: views that are still held keep the memory for as long as they live."""
        os.close(self._descriptor)


def _opened(descriptor: Any, nbytes: int) -> Slots:
    slots = Slots.__new__(Slots)
    slots._open(descriptor.detach(), nbytes, ())
    return slots


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("fieldfare-updates", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
