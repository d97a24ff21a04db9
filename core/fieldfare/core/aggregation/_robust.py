"""Combiners that withstand hostile updates; they need every single update of the round at once.

Memory: the updates that are held, 4 bytes a value and update, and on top of them the result and buffers of a few MiB:
the work goes through blocks of coordinates. Time: `m log m` a coordinate for median and trimmed mean, `m^2` for Krum.

The updates come in a canonical order (by device id), which decides between equals, so that the result does not depend
on the order of arrival. Weights do not count: an attacker would choose its own.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import AggregationError
from fieldfare.core.tasks import AggregationSpec, Combiner

_BLOCK_VALUES = 1 << 18


class HeldUpdate(Protocol):
    """An update `(n,)` float32 that lies in memory, or wherever its coordinates can be read from; arrays are such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n,)`."""
        ...

    @property
    def size(self) -> int:
        """N."""
        ...

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        """The values of consecutive coordinates."""
        ...


_Updates = Sequence[HeldUpdate]


def combine(spec: AggregationSpec, updates: _Updates) -> NDArray[np.float32]:
    """One update from the single ones of a round, by the task's combiner.

    Args:
        spec: its `combiner` is any but MEAN, whose sum `FixedPointSum` keeps.
        updates: at least one `(n,)` float32, finite, all of the same length, in canonical order. They are not changed.

    Returns:
        `(n,)` float32.

    Raises:
        AggregationError: no update, updates of different lengths, too few of them for Krum, the combiner MEAN.
    """
    if not updates:
        raise AggregationError("there is nothing to combine: no update came in")
    if len({one.shape for one in updates}) != 1:
        raise AggregationError("the updates to combine do not have the same length")
    if spec.combiner is Combiner.MEAN:
        raise AggregationError("a mean is kept as a sum; it does not need the single updates")
    if spec.combiner is Combiner.MEDIAN:
        return coordinate_median(updates)
    if spec.combiner is Combiner.TRIMMED_MEAN:
        return trimmed_mean(updates, spec.trim)
    return multi_krum(updates, spec.byzantine, 1 if spec.combiner is Combiner.KRUM else spec.krum_selected)


def coordinate_median(updates: _Updates) -> NDArray[np.float32]:
    """The median of each coordinate (Yin et al. 2018, definition 1).

    Of an even number it is the mean of the two in the middle. Fewer than half of the updates, whatever they hold,
    cannot move it beyond the values of the others.
    """
    low, high = (len(updates) - 1) // 2, len(updates) // 2

    def middle(block: NDArray[np.float32]) -> NDArray[np.float64]:
        block.sort(axis=0)  # three times as fast as a partition, whose steps NumPy does not vectorise
        middle: NDArray[np.float64] = (block[low].astype(np.float64) + block[high]) / 2
        return middle

    return _by_block(updates, middle)


def trimmed_mean(updates: _Updates, trim: float) -> NDArray[np.float32]:
    """The mean of each coordinate without its k largest and k smallest values, `k = floor(trim * m)`.

    Yin et al. 2018, definition 2: `1 / (m - 2 k) * sum of the values that are left`.

    Args:
        updates: m of them.
        trim: 0 to below 0.5.
    """
    count = len(updates)
    # Safe: 0.29 * 100 is just below 29 in floating point; one value is always left.
    cut = min(math.floor(trim * count + 1e-9), (count - 1) // 2)

    def trimmed(block: NDArray[np.float32]) -> NDArray[np.float64]:
        block.sort(axis=0)
        mean: NDArray[np.float64] = block[cut : count - cut].mean(axis=0, dtype=np.float64)
        return mean

    return _by_block(updates, trimmed)


def multi_krum(updates: _Updates, byzantine: int, selected: int) -> NDArray[np.float32]:
    """The mean of the updates with the best scores; with one of them Krum (Blanchard et al. 2017, section 4).

    The score of update i is `sum |v_i - v_j|^2` over the `m - f - 2` updates j that are nearest to it. Of equal scores
    the first in the canonical order is the better one.

    Args:
        updates: m of them, more than `2 f + 2`.
        byzantine: f, the number of updates that may be hostile.
        selected: how many are averaged.

    Raises:
        AggregationError: too few updates.
    """
    count = len(updates)
    if count <= 2 * byzantine + 2 or not 1 <= selected <= count - byzantine:
        raise AggregationError(f"Krum cannot select {selected} of {count} updates against {byzantine} hostile ones")
    scores = _krum_scores(_squared_distances(updates), count - byzantine - 2)
    best = sorted(np.argsort(scores, kind="stable")[:selected].tolist())

    def mean(block: NDArray[np.float32]) -> NDArray[np.float64]:
        average: NDArray[np.float64] = block.mean(axis=0, dtype=np.float64)
        return average

    return _by_block([updates[index] for index in best], mean)


def _krum_scores(distances: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    np.fill_diagonal(distances, np.inf)
    distances.sort(axis=1)
    scores: NDArray[np.float64] = distances[:, :neighbours].sum(axis=1)
    return scores


def _squared_distances(updates: _Updates) -> NDArray[np.float64]:
    """`(m, m)`; differences in float64, so that near updates of a large norm are told apart."""
    count = len(updates)
    distances = np.zeros((count, count))
    for _, block in _blocks(updates):
        values = block.astype(np.float64)
        for index in range(count - 1):
            difference = values[index + 1 :] - values[index]
            distances[index, index + 1 :] += np.square(difference, out=difference).sum(axis=1)
    return distances + distances.T


def _by_block(updates: _Updates, reduce: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> NDArray[np.float32]:
    """Reduce the updates to one, a block of coordinates at a time; rounded once from float64."""
    result = np.empty(updates[0].size, np.float32)
    for start, block in _blocks(updates):
        result[start : start + block.shape[1]] = reduce(block)
    return result


def _blocks(updates: _Updates) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """First coordinate, and a new `(m, width)` array of the updates' values from there."""
    width = max(1, _BLOCK_VALUES // len(updates))
    for start in range(0, updates[0].size, width):
        yield start, np.stack([one[start : start + width] for one in updates])
