"""`Outcome`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.plans import Manifest
from fieldfare.emulator.partition import PartitionStatistics
from fieldfare.emulator.records import Totals
from fieldfare.protos.v1 import task_pb2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        manifest: of the plan.
        statistics: of the partition.
        available: `(7, 24)`: share of the devices that are available in each hour of the week, Monday first, UTC.
        status: the task with all of its rounds, in emulated time.
        ended: whether the task has ended; False where emulated time was over before, or the run was stopped.
        stopped: what stopped the run before; None where nothing did. Whoever has written the results raises it.
        metrics: names of those that devices report, as in the columns of `devices.csv`.
        totals: over all devices.
        emulated_s: emulated seconds.
        seconds: seconds on this machine, from the first check-in.
        weights: bytes of the newest checkpoint.
        excluded: why devices were never asked, to how many they were.
    """

    manifest: Manifest
    statistics: PartitionStatistics
    available: NDArray[np.float64]
    status: task_pb2.TaskStatus
    ended: bool
    stopped: BaseException | None
    metrics: tuple[str, ...]
    totals: Totals
    emulated_s: float
    seconds: float
    weights: bytes
    excluded: Mapping[str, int]

    @property
    def how_it_ended(self) -> str:
        """In words."""
        if self.ended:
            return self.status.reason
        if isinstance(self.stopped, KeyboardInterrupt):
            return "interrupted; what was done until then is here"
        if self.stopped is not None:
            return f"stopped: {self.stopped}"
        return "the emulated time was over before the task had ended"
