"""How far the devices' labels differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.partition._partition import Partition
from fieldfare.emulator.partition.statistics._chunks import device_chunks
from fieldfare.emulator.partition.statistics._quantiles import quantiles_of

_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class LabelStatistics:
    """Labels of the examples on the devices, held-out ones included. Quantiles are those of `QUANTILES`.

    Attributes:
        known: how many different labels there are.
        values: the labels, ascending; the 100 most common ones where there are more.
        totals: examples with each of `values`, on all devices.
        shown: numbers of the devices of `counts`: all, or 100 that are spread evenly over the fleet.
        counts: for each device of `shown` its examples with each of `values`.
        mean_distance: mean over the devices of half the sum over labels of |device's share - everybody's share|.
        distance_quantiles: of the same.
        distinct_quantiles: of the number of different labels of a device.
    """

    known: int
    values: tuple[int, ...]
    totals: tuple[int, ...]
    shown: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    mean_distance: float
    distance_quantiles: tuple[float, ...]
    distinct_quantiles: tuple[float, ...]


def label_statistics(partition: Partition, labels: NDArray[np.int64]) -> LabelStatistics:
    """Count labels.

    Args:
        partition: whose examples are whose.
        labels: `(n,)`, the label of each row.
    """
    known, codes = np.unique(labels, return_inverse=True)
    totals = _totals(partition, codes, len(known))
    distances, distinct = _differences(partition, codes, totals / totals.sum())
    common = np.sort(np.argsort(-totals, kind="stable")[:_MOST_SHOWN])
    shown = np.unique(np.linspace(0, partition.devices - 1, min(_MOST_SHOWN, partition.devices)).astype(np.int64))
    counts = [np.bincount(codes[_rows(partition, int(one), int(one) + 1)], minlength=len(known)) for one in shown]
    return LabelStatistics(
        known=len(known),
        values=tuple(known[common].tolist()),
        totals=tuple(totals[common].tolist()),
        shown=tuple(shown.tolist()),
        counts=tuple(tuple(one[common].tolist()) for one in counts),
        mean_distance=float(distances.mean()),
        distance_quantiles=quantiles_of(distances),
        distinct_quantiles=quantiles_of(distinct),
    )


def _rows(partition: Partition, first: int, last: int) -> NDArray[np.int64]:
    return partition.rows[partition.starts[first] : partition.starts[last]]


def _totals(partition: Partition, codes: NDArray[np.int64], known: int) -> NDArray[np.int64]:
    totals = np.zeros(known, np.int64)
    for first, last in device_chunks(partition):
        totals += np.bincount(codes[_rows(partition, first, last)], minlength=known)
    return totals


def _differences(
    partition: Partition, codes: NDArray[np.int64], everybody: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each device the distance, and how many labels it has.

    Only pairs of device and label that occur are looked at: the labels that a device lacks add everybody's share of
    them, which is 1 less the share of those that it has.
    """
    sizes = np.diff(partition.starts)
    distances, distinct = np.empty(partition.devices), np.empty(partition.devices, np.int64)
    for first, last in device_chunks(partition):
        owners = np.repeat(np.arange(last - first), sizes[first:last])
        pairs = owners * len(everybody) + codes[_rows(partition, first, last)]
        pairs, counts = np.unique(pairs, return_counts=True)
        owner, label = np.divmod(pairs, len(everybody))
        share = everybody[label]
        terms = np.abs(counts / sizes[first:last][owner] - share) - share
        distances[first:last] = 0.5 * (1.0 + np.bincount(owner, terms, minlength=last - first))
        distinct[first:last] = np.bincount(owner, minlength=last - first)
    return distances, distinct
