"""When devices are available: a window of each day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.scenario import FleetSettings

_DAY_S = 86_400.0
_HOUR_S = 3_600.0
_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Availability:
    """Of every device of a fleet.

    Attributes:
        begins_s: `(devices,)` float32: second of the day, UTC, at which the device becomes available.
        lasts_s: for how long; a day or more: always.
    """

    begins_s: NDArray[np.float32]
    lasts_s: float

    def at(self, now: datetime, devices: NDArray[np.intp] | slice = _ALL) -> NDArray[np.bool_]:
        """Who is available: of all devices, or of those that are named.

        Args:
            now: the emulated present.
            devices: `(n,)`, their numbers.
        """
        begins_s = self.begins_s[devices]
        if self.lasts_s >= _DAY_S:
            return np.ones(len(begins_s), np.bool_)
        since: NDArray[np.bool_] = np.mod(_second_of_day(now) - begins_s, _DAY_S) < self.lasts_s
        return since

    def left(self, device: int, now: datetime) -> timedelta:
        """How long a device that is available stays so."""
        if self.lasts_s >= _DAY_S:
            return timedelta.max
        since = (_second_of_day(now) - float(self.begins_s[device])) % _DAY_S
        # Never below zero: `at` counts in float32.
        return timedelta(seconds=max(self.lasts_s - since, 0.0))


def draw_availability(settings: FleetSettings, devices: int, seed: int) -> Availability:
    """Draw when each device's window begins; the same every day."""
    rng = np.random.default_rng([seed, 3])
    spread = settings.available_spread.total_seconds()
    begins = np.mod(rng.normal(settings.available_from * _HOUR_S, spread, devices), _DAY_S).astype(np.float32)
    return Availability(begins, settings.available_for.total_seconds())


def _second_of_day(now: datetime) -> float:
    return (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
