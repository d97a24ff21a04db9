"""One process at a time in a device's folder."""

import os
import sys
from pathlib import Path

from fieldfare.core.errors import StateError, StorageError
from fieldfare.core.files import OWNER_ONLY


class FolderLock:
    """An exclusive lock on a file; the operating system lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; does nothing where it is held already.

        Returns:
            Whether it was not held before.

        Raises:
            StateError: another process, or another `Device`, has it.
            StorageError: the file cannot be made.
        """
        if self._descriptor is not None:
            return False
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be made: {error.strerror}") from error
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise StateError(f"another device is running in {self._path.parent}: give each a folder") from error
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
