"""Devices work on a Ray cluster: on its nodes there is Fieldfare, and nothing of this run until it is sent there."""

from fieldfare.emulator.cluster._connection import ray_cluster
from fieldfare.emulator.cluster._workers import RayWorkers

__all__ = ["RayWorkers", "ray_cluster"]
