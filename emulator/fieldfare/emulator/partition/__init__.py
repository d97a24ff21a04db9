"""Splitting a data set over devices."""

from fieldfare.emulator.partition._dirichlet import dirichlet_partition
from fieldfare.emulator.partition._label_tensor import labels_if_any, labels_of
from fieldfare.emulator.partition._partition import Partition, make_partition
from fieldfare.emulator.partition._parts import Parts
from fieldfare.emulator.partition._splits import column_partition, iid_partition, quantity_partition, shard_partition
from fieldfare.emulator.partition.statistics import (
    QUANTILES,
    FeatureStatistics,
    LabelStatistics,
    PartitionStatistics,
    describe_partition,
    partition_statistics,
)

__all__ = [
    "QUANTILES",
    "FeatureStatistics",
    "LabelStatistics",
    "Partition",
    "PartitionStatistics",
    "Parts",
    "column_partition",
    "describe_partition",
    "dirichlet_partition",
    "iid_partition",
    "labels_if_any",
    "labels_of",
    "make_partition",
    "partition_statistics",
    "quantity_partition",
    "shard_partition",
]
