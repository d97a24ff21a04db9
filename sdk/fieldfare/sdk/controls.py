"""SCAFFOLD's control variates of this device, one file for each task."""

import hashlib
import logging
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import StorageError
from fieldfare.core.files import OWNER_ONLY, write_atomically

__all__ = ["ControlStore"]

_LOG = logging.getLogger("fieldfare.sdk")
_HEAD = struct.Struct("<8s32s")
_MAGIC = b"FFCONTR1"
_BODY = struct.Struct("<32sI")
_MOST_TASKS = 8


class ControlStore:
    """What the device adds up from its counted reports; for one process at a time.

    A control variate tells of the device's examples as much as an update does: it stays here, readable by its owner
    only. Those of the `8` tasks that were worked for last are kept.

    Args:
        folder: made where it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, task_id: str, plan: bytes, size: int) -> NDArray[np.float32]:
        """The device's control variate for a task, `(size,)` float32; zeros in the task's first round.

        Zeros also where the task's plan is another one by now, or the file is damaged.

        Args:
            task_id: the task.
            plan: SHA-256 of its plan.
            size: number of values that the plan's weights have.

        Raises:
            StorageError: the folder cannot be used.
        """
        path = self._path(task_id)
        found = self._read(path)
        if found is not None and found[0] == plan and found[2].size == size:
            return found[2]
        if found is None:
            self._make_room()
        fresh = np.zeros(size, np.float32)
        self._write(path, plan, 0, fresh)
        return fresh

    def advance(self, task_id: str, round_number: int, delta: NDArray[np.float32]) -> None:
        """Add what a counted report held. The same round again changes nothing.

        Args:
            task_id: the task.
            round_number: the report's round; counts from 1.
            delta: `(n,)` float32, finite.

        Raises:
            StorageError: the folder cannot be used.
        """
        path = self._path(task_id)
        found = self._read(path)
        if found is None or found[2].size != delta.size:
            _LOG.warning("the control variate of task %s is gone; the device begins anew with zeros", task_id)
            return
        plan, last, values = found
        if round_number > last:
            self._write(path, plan, round_number, values + delta)

    def forget(self) -> None:
        """Remove every control variate: the device begins anew with zeros.

        Raises:
            StorageError: a file cannot be removed.
        """
        try:
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {self._folder} cannot be emptied: {error.strerror}") from error

    def _path(self, task_id: str) -> Path:
        # Safe: whatever an aggregator calls its task, the name of the file is ours.
        return self._folder / hashlib.sha256(task_id.encode()).hexdigest()[:32]

    def _read(self, path: Path) -> tuple[bytes, int, NDArray[np.float32]] | None:
        """The plan, the last round and the values; None where there is no whole file."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the control variate {path} cannot be read: {error.strerror}") from error
        body = data[_HEAD.size :]
        if data[: _HEAD.size] != _HEAD.pack(_MAGIC, hashlib.sha256(body).digest()):
            _LOG.warning("the control variate %s is damaged; the device begins anew with zeros", path)
            return None
        plan, last = _BODY.unpack_from(body)
        return plan, last, np.frombuffer(body, "<f4", offset=_BODY.size)

    def _write(self, path: Path, plan: bytes, round_number: int, values: NDArray[np.float32]) -> None:
        body = _BODY.pack(plan, round_number) + values.astype("<f4", copy=False).tobytes()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {self._folder} cannot be made: {error.strerror}") from error
        write_atomically(path, (_HEAD.pack(_MAGIC, hashlib.sha256(body).digest()), body), mode=OWNER_ONLY)

    def _make_room(self) -> None:
        """One more file is coming: the tasks that were not worked for in the longest time go."""
        try:
            files = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime) if self._folder.is_dir() else []
            for path in files[: max(0, len(files) - _MOST_TASKS + 1)]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {self._folder} cannot be used: {error.strerror}") from error
