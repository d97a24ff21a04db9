"""What can be said of a partition before anything is trained."""

from fieldfare.emulator.partition.statistics._features import FeatureStatistics
from fieldfare.emulator.partition.statistics._labels import LabelStatistics
from fieldfare.emulator.partition.statistics._quantiles import QUANTILES
from fieldfare.emulator.partition.statistics._statistics import PartitionStatistics, partition_statistics
from fieldfare.emulator.partition.statistics._words import describe_partition

__all__ = [
    "QUANTILES",
    "FeatureStatistics",
    "LabelStatistics",
    "PartitionStatistics",
    "describe_partition",
    "partition_statistics",
]
