"""How many different devices there are: an estimate in bounded memory."""

import hashlib
import math
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

_BITS = 12
_REGISTERS = 2**_BITS
_RANK_BITS = 64 - _BITS
_ALPHA = 0.7213 / (1 + 1.079 / _REGISTERS)
_FEW = 2.5
_SLOTS = 8


class DistinctDevices:
    """Distinct devices of a sliding window, by HyperLogLog (Flajolet et al. 2007).

    The hash of an id chooses one of m = 4,096 registers, which keeps the largest number of leading zeros of the hash's
    rest, plus one. The estimate is `alpha m^2 / sum(2^-register)`, and `m ln(m / empty)` while registers are empty and
    that estimate is at most 2.5 m; its standard error is 1.04 / sqrt(m), 1.6 %. The window is kept as eight sketches
    of 4 KiB, one for each part of it; a count merges them by their largest registers.

    Args:
        window: devices that have not called for so long are forgotten, an eighth of it sooner or later.
        salt: up to 64 secret bytes that go into the hash, so that nobody can make up ids that count as many.
        now: the beginning.
    """

    def __init__(self, window: timedelta, salt: bytes, now: datetime) -> None:
        self._slot = window / _SLOTS
        self._salt = salt
        self._sketches = np.zeros((_SLOTS + 1, _REGISTERS), np.uint8)
        self._began = now
        self._newest = 0
        self._merge()

    def see(self, device: bytes, now: datetime) -> None:
        """The device has called."""
        self._turn(now)
        digest = int.from_bytes(hashlib.blake2b(device, digest_size=8, key=self._salt).digest(), "little")
        register, rest = digest & (_REGISTERS - 1), digest >> _BITS
        rank = _RANK_BITS - rest.bit_length() + 1
        sketch = self._sketches[self._newest % len(self._sketches)]
        sketch[register] = max(rank, int(sketch[register]))
        largest = int(self._merged[register])
        if rank > largest:
            self._merged[register] = rank
            self._sum += 2.0**-rank - 2.0**-largest
            self._empty -= largest == 0

    def count(self, now: datetime) -> int:
        """Devices that have called within the window, as an estimate."""
        self._turn(now)
        raw: float = _ALPHA * _REGISTERS**2 / self._sum
        if self._empty and raw <= _FEW * _REGISTERS:
            raw = _REGISTERS * math.log(_REGISTERS / self._empty)
        return round(raw)

    def _turn(self, now: datetime) -> None:
        """Forget the sketches whose time is over."""
        # Safe: a clock that was set back keeps what there is.
        newest = max((now - self._began) // self._slot, self._newest)
        if newest == self._newest:
            return
        for slot in range(self._newest + 1, min(newest, self._newest + len(self._sketches)) + 1):
            self._sketches[slot % len(self._sketches)] = 0
        self._newest = newest
        self._merge()

    def _merge(self) -> None:
        """What the estimate needs of all sketches together; `see` keeps it up to date."""
        self._merged: NDArray[np.uint8] = self._sketches.max(axis=0)
        self._sum = float(np.sum(np.exp2(-self._merged.astype(np.float64))))
        self._empty = int(np.count_nonzero(self._merged == 0))
