"""When devices are available: a window of each day, or while conditions hold."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._cycles import Cycles, make_cycles, seconds_since_monday
from fieldfare.emulator.devices._streams import WINDOWS
from fieldfare.emulator.scenario import FleetSettings

_DAY_S = 86_400.0
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Availability:
    """Of every device of a fleet: each follows one of some patterns, at a shift of its own.

    Attributes:
        cycles: the patterns.
        until_s: `(pieces,)` float64: where devices are available, the moment until which they are so without a pause,
            counted from the pattern's beginning, perhaps beyond its end, infinite for always; 0 where they are not.
        from_s: `(pieces,)` float64: where devices are not available, the moment from which they are, counted likewise,
            infinite for never; 0 where they are.
        pattern: `(devices,)` int32.
        shift_s: `(devices,)` float64: what is added to the seconds since Monday, UTC, to come to the pattern's time.
    """

    cycles: Cycles
    until_s: NDArray[np.float64]
    from_s: NDArray[np.float64]
    pattern: NDArray[np.int32]
    shift_s: NDArray[np.float64]

    def at(self, now: datetime, devices: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
        """`(n,)`: who is available.

        Args:
            now: the emulated present.
            devices: `(n,)`, whom to look at; default: all of them.
        """
        pattern, shift = self.pattern, self.shift_s
        if devices is not None:
            pattern, shift = pattern[devices], shift[devices]
        if len(self.until_s) == 1 and math.isinf(self.until_s[0]):
            return np.ones(len(pattern), np.bool_)
        piece, within = self.cycles.find(pattern, seconds_since_monday(now) + shift)
        available: NDArray[np.bool_] = within < self.until_s[piece]
        return available

    def next_begin(self, now: datetime, among: NDArray[np.bool_]) -> datetime | None:
        """The next moment at which a device becomes available that is not so now; None for never.

        Args:
            now: the emulated present.
            among: `(devices,)`: whom to look at.
        """
        piece, within = self.cycles.find(self.pattern[among], seconds_since_monday(now) + self.shift_s[among])
        waits = (self.from_s[piece] - within)[self.from_s[piece] > 0]
        soonest = float(waits.min(initial=math.inf))
        # Rounded up to the next microsecond, so that the moment is not just before.
        return None if math.isinf(soonest) else now + timedelta(microseconds=math.ceil(1e6 * max(soonest, 0.0)) + 1)

    def left(self, device: int, now: datetime) -> timedelta:
        """How long a device that is available stays so; zero for one that is not."""
        moment = seconds_since_monday(now) + float(self.shift_s[device])
        piece, within = self.cycles.find_one(int(self.pattern[device]), moment)
        seconds = float(self.until_s[piece]) - within
        return timedelta.max if math.isinf(seconds) else timedelta(seconds=max(seconds, 0.0))


def make_availability(
    cycles: Cycles, holds: NDArray[np.bool_], pattern: NDArray[np.int32], shift_s: NDArray[np.float64]
) -> Availability:
    """From the pieces in which devices are available.

    Args:
        cycles: the patterns.
        holds: `(pieces,)`.
        pattern: `(devices,)`.
        shift_s: `(devices,)`; see `Availability`.
    """
    until, begins = np.zeros(len(holds)), np.zeros(len(holds))
    for number, period in enumerate(cycles.period_s):
        pieces = slice(cycles.first[number], cycles.first[number + 1])
        until[pieces] = _ends(cycles.begins_s[pieces], holds[pieces], float(period))
        begins[pieces] = _ends(cycles.begins_s[pieces], ~holds[pieces], float(period))
    return Availability(cycles, until, begins, pattern, shift_s)


def window_availability(settings: FleetSettings, devices: int, seed: int) -> Availability:
    """A window of each day, whose beginning is drawn for each device."""
    rng = np.random.default_rng([seed, WINDOWS])
    spread, lasts = settings.available_spread.total_seconds(), settings.available_for.total_seconds()
    # To the second, so that moments are exact in floating point.
    begins = np.round(rng.normal(settings.available_from * _HOUR_S, spread, devices))
    always = lasts >= _DAY_S
    cycles = make_cycles([_DAY_S], [np.array([0.0] if always else [0.0, lasts])])
    pattern = np.zeros(devices, np.int32)
    return make_availability(
        cycles, np.array([True, False])[: len(cycles.begins_s)], pattern, settings.utc_offset_h * _HOUR_S - begins
    )


def _ends(begins: NDArray[np.float64], holds: NDArray[np.bool_], period: float) -> NDArray[np.float64]:
    """For each piece that holds, the beginning of the next one that does not; 0 for others."""
    if holds.all():
        return np.full(len(holds), math.inf)
    if not holds.any():
        return np.zeros(len(holds))
    stops = begins[~holds]
    following = np.append(stops, stops[0] + period)[np.searchsorted(stops, begins)]
    return np.where(holds, following, 0.0)
