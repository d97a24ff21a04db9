"""Splitting a data set over devices."""

from fieldfare.emulator.partition._dirichlet import dirichlet_partition

__all__ = ["dirichlet_partition"]
