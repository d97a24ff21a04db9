"""What the lines of `devices.csv` come to, for the whole fleet."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.records._histograms import LogHistogram


@dataclass(slots=True)
class FleetRecord:
    """In memory of the fleet's size, however many rounds it had.

    Attributes:
        trained: `(devices,)` int32: training reports of each that counted.
        asked: `(devices,)` int32: assignments of both kinds that each was given.
        latest: `(devices,)` float64: the metric that the device found at its latest evaluation; NaN where it had none.
        measured_in: `(devices,)` int32: the number of the round of that evaluation; 0 where it had none.
        ends: assignments by kind ("training", "evaluation") and how they ended.
        reasons: those that did not count, by how they ended and why, where words were given.
        seconds: how long the parts took that were finished.
        compute_s: training or evaluating in them.
        transfer_s: downloading and uploading in them.
        compute_total_s: computing, all parts.
        transfer_total_s: transferring, all parts.
        joules: of each round, by its number.
        hours: `(7, 24)` int64: assignments by weekday (Monday first) and hour of the day at which they were given.
    """

    trained: NDArray[np.int32]
    asked: NDArray[np.int32]
    latest: NDArray[np.float64]
    measured_in: NDArray[np.int32]
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: LogHistogram = field(default_factory=LogHistogram)
    compute_s: LogHistogram = field(default_factory=LogHistogram)
    transfer_s: LogHistogram = field(default_factory=LogHistogram)
    compute_total_s: float = 0.0
    transfer_total_s: float = 0.0
    joules: dict[int, float] = field(default_factory=dict)
    hours: NDArray[np.int64] = field(default_factory=lambda: np.zeros((7, 24), np.int64))

    @classmethod
    def of(cls, devices: int) -> "FleetRecord":
        """An empty one for so many devices."""
        nobody = np.full(devices, np.nan)
        return cls(np.zeros(devices, np.int32), np.zeros(devices, np.int32), nobody, np.zeros(devices, np.int32))

    @property
    def measured(self) -> NDArray[np.float64]:
        """`(n,)`: the latest metric of the devices that have one."""
        known: NDArray[np.float64] = self.latest[~np.isnan(self.latest)]
        return known

    @property
    def took_part(self) -> int:
        """Devices of which at least one training report counted."""
        return int(np.count_nonzero(self.trained))

    def worst(self, *, lower_is_better: bool, share: float = 0.1) -> NDArray[np.float64]:
        """The latest metric of the worst share of the measured devices, worst first; one device at least."""
        ordered: NDArray[np.float64] = np.sort(self.measured)
        if lower_is_better:
            ordered = ordered[::-1]
        count = max(1, int(np.ceil(share * len(ordered)))) if len(ordered) else 0
        return ordered[:count]
