"""Single updates that are held until the commit, for the combiners that need them all.

They live in memory as far as the operator's bound allows, and beyond it in a file that has no name, encrypted with
AES-256-GCM under a key that exists in this process only and is gone with the round: whoever finds the disk, or kills
the process, finds nothing that can be read.
"""

import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import IO

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from fieldfare.core.aggregation import HeldUpdate, combine
from fieldfare.core.errors import StorageError
from fieldfare.core.tasks import AggregationSpec

_CHUNK_VALUES = 1 << 12
_TAG_BYTES = 16
_VALUE_BYTES = 4
_KEY_BITS = 256


class LostUpdateError(StorageError):
    """An update that was put into the file cannot be read back: the round's result can never be formed."""


class Holds:
    """What all rounds together may hold in memory, and where the rest goes.

    Args:
        max_bytes: bound on the updates in memory.
        folder: where files without a name are made; None for the system's.
    """

    def __init__(self, max_bytes: int, folder: Path | None) -> None:
        self.folder = folder
        self._left = max_bytes
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> bool:
        """Whether so many bytes more may be held in memory; they are then."""
        with self._lock:
            if nbytes > self._left:
                return False
            self._left -= nbytes
            return True

    def give_back(self, nbytes: int) -> None:
        """They are not held any more."""
        with self._lock:
            self._left += nbytes


class HeldUpdates:
    """The updates of one round. For one thread at a time.

    Args:
        spec: names the combiner.
        size: values of an update.
        holds: the bound that is shared with other rounds.
    """

    def __init__(self, spec: AggregationSpec, size: int, holds: Holds) -> None:
        self._spec = spec
        self._size = size
        self._holds = holds
        self._updates: dict[bytes, HeldUpdate] = {}
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._cipher = AESGCM(AESGCM.generate_key(_KEY_BITS))
        self._sealed = 0

    def add(self, device: bytes, vector: NDArray[np.float32]) -> None:
        """Keep one device's update.

        Args:
            device: whose it is.
            vector: `(size,)` float32, which nobody changes any more.

        Raises:
            StorageError: it finds no room in memory, and cannot be written; nothing is kept then.
        """
        if self._holds.take(vector.nbytes):
            self._in_memory += vector.nbytes
            self._updates[device] = vector
        else:
            self._updates[device] = self._seal(vector)

    def combined(self) -> NDArray[np.float32]:
        """What the combiner makes of them, `(size,)` float32: in the order of the devices' ids, not of arrival.

        Raises:
            AggregationError: too few updates.
            LostUpdateError: what was put into the file cannot be read.
        """
        return combine(self._spec, [self._updates[device] for device in sorted(self._updates)])

    def close(self) -> None:
        """Forget everything, the key first of all."""
        self._cipher = AESGCM(AESGCM.generate_key(_KEY_BITS))
        self._updates.clear()
        self._holds.give_back(self._in_memory)
        self._in_memory = 0
        if self._file is not None:
            # Safe: the file has no name, and whatever it holds cannot be read any more.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _seal(self, vector: NDArray[np.float32]) -> "_Sealed":
        number, bytes_each = self._sealed, _sealed_bytes(self._size)
        # Also where it fails: a nonce is used once.
        self._sealed += 1
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._holds.folder, buffering=0)  # noqa: SIM115
            self._file.seek(number * bytes_each)
            for index, start in enumerate(range(0, self._size, _CHUNK_VALUES)):
                part = vector[start : start + _CHUNK_VALUES].astype("<f4", copy=False).tobytes()
                self._write(self._cipher.encrypt(_nonce(number, index), part, None))
        except OSError as error:
            raise StorageError(f"an update cannot be held on disk: {error.strerror or error}") from error
        return _Sealed(self._cipher, self._file, number, self._size)

    def _write(self, data: bytes) -> None:
        file, view = self._file, memoryview(data)
        while file is not None and view:
            view = view[file.write(view) :]


class _Sealed:
    """One update in the file; `values[start:stop]` reads and checks what it needs."""

    def __init__(self, cipher: AESGCM, file: IO[bytes], number: int, size: int) -> None:
        self._cipher = cipher
        self._file = file
        self._number = number
        self.size = size
        self._last: tuple[int, NDArray[np.float32]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """One axis."""
        return (self.size,)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        start, stop, _ = part.indices(self.size)
        values = np.empty(max(stop - start, 0), np.float32)
        position = start
        while position < stop:
            index, offset = divmod(position, _CHUNK_VALUES)
            chunk = self._chunk(index)[offset : offset + stop - position]
            values[position - start : position - start + chunk.size] = chunk
            position += chunk.size
        return values

    def _chunk(self, index: int) -> NDArray[np.float32]:
        if self._last is None or self._last[0] != index:
            count = min(_CHUNK_VALUES, self.size - index * _CHUNK_VALUES)
            offset = self._number * _sealed_bytes(self.size) + index * (_CHUNK_VALUES * _VALUE_BYTES + _TAG_BYTES)
            try:
                data = os.pread(self._file.fileno(), count * _VALUE_BYTES + _TAG_BYTES, offset)
            except OSError as error:
                raise LostUpdateError(f"an update that is held on disk cannot be read: {error.strerror}") from error
            self._last = (index, _opened(self._cipher, _nonce(self._number, index), data))
        return self._last[1]


def _sealed_bytes(size: int) -> int:
    """Length of one sealed update."""
    return size * _VALUE_BYTES + -(-size // _CHUNK_VALUES) * _TAG_BYTES


def _nonce(number: int, index: int) -> bytes:
    """Never the same twice under one key: each chunk of each attempt to seal has its own."""
    return number.to_bytes(6, "big") + index.to_bytes(6, "big")


def _opened(cipher: AESGCM, nonce: bytes, data: bytes) -> NDArray[np.float32]:
    try:
        return np.frombuffer(cipher.decrypt(nonce, data, None), "<f4")
    except InvalidTag as error:
        raise LostUpdateError("an update that is held on disk was changed there") from error
