"""The weighted sum of updates in 64-bit fixed point.

Integer addition is associative, so the sum does not depend on the order of arrival, on the number of workers or on how
replicas split the cohort: the mean comes out bit-identical. It is also what modular secure aggregation needs. The
quantum is chosen from the bounds so that no sum can overflow; `benchmarks/aggregator/accumulate.py` compares its speed
with NumPy's `acc += w * x`.
"""

import hashlib
import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import AggregationError, StorageError

_CHUNK = 1 << 15
# 1.5 * 2**52: adding it to |v| < 2**51 rounds v to the nearest integer, ties to even, and leaves that integer in the
# low bits of the double. What its other bits add is the same for every update, so it is taken off the sum when that is
# read: four passes over a chunk in the cache, against six with rint and a cast.
_MAGIC = 1.5 * 2.0**52
_MAGIC_BITS = int(np.float64(_MAGIC).view(np.int64))
_PRODUCT_BITS = 51
_SUM_BITS = 62
_HEADER = struct.Struct("<8sIiQQQ32s")
_FILE_MAGIC = b"FFSNAPSH"
_FILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class SumBounds:
    """What no update goes beyond; together they choose the quantum.

    Attributes:
        max_abs_value: largest magnitude of a value.
        max_weight: largest weight of an update.
        max_updates: most updates that one sum ever holds, merged ones included.

    Raises:
        AggregationError: a value's bound that is no float32, a weight's beyond 2**31, a count's beyond 2**32.
    """

    max_abs_value: float
    max_weight: int
    max_updates: int

    def __post_init__(self) -> None:
        # Safe: within these the total weight fits the snapshot's 64 bits; NaN fails the comparison.
        in_range = 2.0**-149 <= self.max_abs_value <= 2.0**128 and 1 <= self.max_weight <= 2**31
        if not in_range or not 1 <= self.max_updates <= 2**32:
            raise AggregationError(f"a sum cannot be kept within {self}")

    @property
    def fraction_bits(self) -> int:
        """The quantum is `2 ** -fraction_bits`. Negative only for absurd bounds; then the quantum is above one."""
        product_bits = min(_PRODUCT_BITS, _SUM_BITS - math.ceil(math.log2(self.max_updates)))
        return product_bits - math.ceil(math.log2(self.max_abs_value * self.max_weight))


def snapshot_digest(snapshot: bytes | bytearray) -> bytes:
    """The SHA-256 that guards a snapshot which `FixedPointSum.to_bytes` has just made."""
    digest: bytes = _HEADER.unpack_from(snapshot)[-1]
    return digest


class FixedPointSum:
    """Accumulates `weight * vector`; memory is 8 bytes a value, whatever the number of updates.

    Args:
        size: number of values in an update.
        bounds: `add` enforces those of weight and count, `decode_update` those of the values.
    """

    def __init__(self, size: int, bounds: SumBounds) -> None:
        self._bounds = bounds
        self._sum = np.zeros(size, np.int64)  # the exact sum plus `_offset`
        self.weight = 0
        self.count = 0

    @property
    def size(self) -> int:
        """Number of values in an update."""
        return self._sum.size

    def add(self, vector: NDArray[np.float32], weight: int) -> None:
        """Add one update that has been decoded and checked.

        Args:
            vector: `(size,)` float32, finite, within the bounds.
            weight: 1 to `max_weight`.

        Raises:
            AggregationError: a vector of another length, a weight or a count beyond the bounds.
        """
        if vector.shape != self._sum.shape:
            raise AggregationError(f"expected {self.size} values, got shape {vector.shape}")
        if not 1 <= weight <= self._bounds.max_weight:
            raise AggregationError(f"weight {weight} is not within 1 to {self._bounds.max_weight}")
        self._check_room(1)
        scale = weight * 2.0**self._bounds.fraction_bits
        buffer = np.empty(min(_CHUNK, self.size), np.float64)
        for start in range(0, self.size, _CHUNK):
            part = vector[start : start + _CHUNK]
            scaled = buffer[: part.size]
            # Converted by a copy, since NumPy buffers a product of mixed types once more.
            scaled[...] = part
            scaled *= scale
            scaled += _MAGIC
            target = self._sum[start : start + _CHUNK]
            target += scaled.view(np.int64)
        self.weight += weight
        self.count += 1

    def merge(self, other: "FixedPointSum") -> None:
        """Add what another sum under the same bounds holds.

        Raises:
            AggregationError: other bounds or size, or more updates than the bounds allow.
        """
        if other.size != self.size or other._bounds != self._bounds:
            raise AggregationError("only sums of the same size and bounds can be merged")
        self._check_room(other.count)
        self._sum += other._sum
        self.weight += other.weight
        self.count += other.count

    def mean(self) -> NDArray[np.float32]:
        """The weighted mean, `(size,)` float32, rounded once from float64.

        Raises:
            AggregationError: nothing was added.
        """
        if self.weight == 0:
            raise AggregationError("there is no mean of no updates")
        scale = 2.0**-self._bounds.fraction_bits / self.weight
        mean = np.empty(self.size, np.float32)
        for start in range(0, self.size, _CHUNK):
            part = self._sum[start : start + _CHUNK] - self._offset
            mean[start : start + _CHUNK] = part.astype(np.float64) * scale
        return mean

    def to_bytes(self) -> bytearray:
        """A snapshot: sum, weight and count, guarded by a SHA-256 over all of it."""
        snapshot = bytearray(_HEADER.size + 8 * self.size)
        snapshot[: _HEADER.size] = self._header(bytes(32))
        np.subtract(self._sum, self._offset, out=np.frombuffer(snapshot, "<i8", offset=_HEADER.size))
        snapshot[: _HEADER.size] = self._header(hashlib.sha256(snapshot).digest())
        return snapshot

    @classmethod
    def from_bytes(cls, data: bytes | bytearray, bounds: SumBounds) -> "FixedPointSum":
        """Read a snapshot that was made under the same bounds.

        Raises:
            StorageError: no snapshot, a damaged one, or one made under other bounds.
        """
        if len(data) < _HEADER.size or data[: len(_FILE_MAGIC)] != _FILE_MAGIC:
            raise StorageError("not a snapshot")
        _, version, fraction_bits, weight, count, size, digest = _HEADER.unpack_from(data)
        if version != _FILE_VERSION or len(data) != _HEADER.size + 8 * size:
            raise StorageError(f"the snapshot has version {version} and {len(data)} bytes; it is damaged or newer")
        if fraction_bits != bounds.fraction_bits or count > bounds.max_updates:
            raise StorageError("the snapshot was made under other bounds")
        result = cls(size, bounds)
        result.weight, result.count = weight, count
        found = hashlib.sha256(result._header(bytes(32)))
        found.update(memoryview(data)[_HEADER.size :])
        if found.digest() != digest:
            raise StorageError("the snapshot is damaged: its digest does not match")
        result._sum += np.frombuffer(data, "<i8", offset=_HEADER.size)
        result._sum += result._offset
        return result

    @property
    def _offset(self) -> np.int64:
        """What the added constants come to in the sum. Safe: 64-bit integers wrap around in both directions."""
        return np.int64((self.count * _MAGIC_BITS + 2**63) % 2**64 - 2**63)

    def _header(self, digest: bytes) -> bytes:
        bits = self._bounds.fraction_bits
        return _HEADER.pack(_FILE_MAGIC, _FILE_VERSION, bits, self.weight, self.count, self.size, digest)

    def _check_room(self, more: int) -> None:
        if self.count + more > self._bounds.max_updates:
            raise AggregationError(f"the sum already holds {self.count} of at most {self._bounds.max_updates} updates")
