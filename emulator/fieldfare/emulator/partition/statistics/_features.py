"""How far the devices' numbers differ: of each tensor of floats, by the mean that each example has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.partition._partition import Partition
from fieldfare.emulator.partition.statistics._chunks import device_chunks
from fieldfare.emulator.partition.statistics._quantiles import quantiles_of


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """One tensor of floats. An example counts with the mean over its elements, such as an image's brightness.

    Attributes:
        name: of the tensor.
        mean: over the examples on all devices.
        deviation: standard deviation over these.
        mean_quantiles: at `QUANTILES`, of the devices' means.
        deviation_quantiles: at `QUANTILES`, of the devices' standard deviations.
        between: share of the variance that lies between devices, less what chance alone puts there: epsilon squared
            (Kelley 1935), 0 to 1. About 0 for equal parts of a shuffle; 0 where nothing varies or every device has a
            single example, of which nothing can be told.
    """

    name: str
    mean: float
    deviation: float
    mean_quantiles: tuple[float, ...]
    deviation_quantiles: tuple[float, ...]
    between: float


def feature_statistics(partition: Partition, name: str, array: NDArray[Any]) -> FeatureStatistics:
    """Measure one tensor.

    Args:
        partition: whose examples are whose.
        name: of the tensor.
        array: `(n, *shape)` floats.
    """
    values = array.reshape(len(array), -1).mean(axis=1, dtype=np.float64)
    # About a centre, so that squares of large numbers do not swallow their differences.
    centre = float(values.mean())
    values -= centre
    sizes = np.diff(partition.starts)
    sums, squares = np.empty(partition.devices), np.empty(partition.devices)
    for first, last in device_chunks(partition):
        mine = values[partition.rows[partition.starts[first] : partition.starts[last]]]
        begins = partition.starts[first:last] - partition.starts[first]
        sums[first:last] = np.add.reduceat(mine, begins)
        squares[first:last] = np.add.reduceat(mine * mine, begins)
    means = sums / sizes
    variances = np.maximum(squares / sizes - means * means, 0.0)
    total = sizes.sum()
    mean = float(sums.sum() / total)
    variance = max(float(squares.sum() / total) - mean * mean, 0.0)
    return FeatureStatistics(
        name=name,
        mean=centre + mean,
        deviation=variance**0.5,
        mean_quantiles=quantiles_of(centre + means),
        deviation_quantiles=quantiles_of(np.sqrt(variances)),
        between=_between(float((sizes * variances).sum()), variance * float(total), len(sizes), int(total)),
    )


def _between(within: float, total: float, devices: int, examples: int) -> float:
    """From the sums of squares within devices and in all: 1 - (within / (n - devices)) / (total / (n - 1))."""
    if total <= 0 or examples == devices:
        return 0.0
    return min(max(1 - within / (examples - devices) * (examples - 1) / total, 0.0), 1.0)
