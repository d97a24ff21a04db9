"""What can be said of a partition before anything is trained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.partition._partition import Partition


@dataclass(frozen=True, slots=True)
class PartitionStatistics:
    """Figures for people.

    Attributes:
        devices: how many.
        examples: on all of them.
        fewest: examples of the smallest device.
        median: of the middle one.
        most: of the largest.
        held_out: examples that are held out, on all devices.
        label_distance: mean total variation distance between a device's labels and everybody's: 0 where all are alike,
            near 1 where each knows labels of its own; None without labels.
    """

    devices: int
    examples: int
    fewest: int
    median: float
    most: int
    held_out: int
    label_distance: float | None


def partition_statistics(partition: Partition, labels: NDArray[np.int64] | None) -> PartitionStatistics:
    """Count.

    Args:
        partition: whose examples are whose.
        labels: `(n,)`, the label of each row; None where there are none.
    """
    counts = np.diff(partition.starts)
    distance = None if labels is None else _label_distance(partition, labels)
    return PartitionStatistics(
        partition.devices,
        int(counts.sum()),
        int(counts.min()),
        float(np.median(counts)),
        int(counts.max()),
        int(partition.held_out.sum()),
        distance,
    )


def _label_distance(partition: Partition, labels: NDArray[np.int64]) -> float:
    known, codes = np.unique(labels, return_inverse=True)
    everybody = np.bincount(codes, minlength=len(known)) / len(codes)
    total = 0.0
    for device in range(partition.devices):
        mine = codes[partition.rows[partition.starts[device] : partition.starts[device + 1]]]
        total += 0.5 * float(np.abs(np.bincount(mine, minlength=len(known)) / len(mine) - everybody).sum())
    return total / partition.devices
