"""What can be said of a partition before anything is trained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.plans import Examples
from fieldfare.emulator.partition._partition import Partition
from fieldfare.emulator.partition.statistics._chunks import device_chunks
from fieldfare.emulator.partition.statistics._features import FeatureStatistics, feature_statistics
from fieldfare.emulator.partition.statistics._labels import LabelStatistics, label_statistics
from fieldfare.emulator.partition.statistics._quantiles import quantiles_of

_BINS = 20


@dataclass(frozen=True, slots=True)
class PartitionStatistics:
    """Figures for people, of bounded size whatever the fleet's. Quantiles are those of `QUANTILES`.

    Attributes:
        devices: how many.
        examples: on all of them; one that several devices have counts for each.
        distinct: different examples among these.
        fewest: examples of the smallest device.
        median: of the middle one.
        most: of the largest.
        held_out: examples that are held out, on all devices.
        label_distance: mean total variation distance between a device's labels and everybody's: 0 where all are alike,
            near 1 where each knows labels of its own; None without labels.
        size_quantiles: of the number of examples of a device.
        size_edges: of a histogram of these numbers: one more than it has bins, at most 21.
        size_counts: devices in each bin; the last one includes its upper edge.
        labels: more on labels; None without.
        features: of each tensor of floats, targets included.
    """

    devices: int
    examples: int
    distinct: int
    fewest: int
    median: float
    most: int
    held_out: int
    label_distance: float | None
    size_quantiles: tuple[float, ...]
    size_edges: tuple[float, ...]
    size_counts: tuple[int, ...]
    labels: LabelStatistics | None
    features: tuple[FeatureStatistics, ...]


def partition_statistics(
    partition: Partition, labels: NDArray[np.int64] | None, examples: Examples
) -> PartitionStatistics:
    """Count and measure.

    Args:
        partition: whose examples are whose.
        labels: `(n,)`, the label of each row; None where there are none.
        examples: tensor name to `(n, *shape)` array.
    """
    sizes = np.diff(partition.starts)
    edges = _edges(int(sizes.min()), int(sizes.max()))
    of_labels = None if labels is None else label_statistics(partition, labels)
    return PartitionStatistics(
        devices=partition.devices,
        examples=int(sizes.sum()),
        distinct=_distinct(partition),
        fewest=int(sizes.min()),
        median=float(np.median(sizes)),
        most=int(sizes.max()),
        held_out=int(partition.held_out.sum()),
        label_distance=None if of_labels is None else of_labels.mean_distance,
        size_quantiles=quantiles_of(sizes),
        size_edges=tuple(edges.tolist()),
        size_counts=tuple(np.histogram(sizes, edges)[0].tolist()),
        labels=of_labels,
        features=tuple(
            feature_statistics(partition, name, array) for name, array in examples.items() if array.dtype.kind == "f"
        ),
    )


def _edges(fewest: int, most: int) -> NDArray[np.float64]:
    """Bins of one width, a whole number, since sizes are."""
    width = -(-(most - fewest + 1) // _BINS)
    bins = -(-(most - fewest + 1) // width)
    edges: NDArray[np.float64] = fewest - 0.5 + width * np.arange(bins + 1, dtype=np.float64)
    return edges


def _distinct(partition: Partition) -> int:
    seen = np.zeros(int(partition.rows.max()) + 1, np.bool_)
    for first, last in device_chunks(partition):
        seen[partition.rows[partition.starts[first] : partition.starts[last]]] = True
    return int(seen.sum())
