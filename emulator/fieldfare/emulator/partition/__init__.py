"""Splitting a data set over devices."""

from fieldfare.emulator.partition._dirichlet import dirichlet_partition
from fieldfare.emulator.partition._partition import Partition, labels_of, make_partition
from fieldfare.emulator.partition._splits import column_partition, iid_partition, quantity_partition, shard_partition
from fieldfare.emulator.partition._statistics import PartitionStatistics, partition_statistics

__all__ = [
    "Partition",
    "PartitionStatistics",
    "column_partition",
    "dirichlet_partition",
    "iid_partition",
    "labels_of",
    "make_partition",
    "partition_statistics",
    "quantity_partition",
    "shard_partition",
]
