"""Acceleration of the body, from what a sensor measures of body and gravity together."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from examples.raspberry_pi.activity import RATE_HZ, Reading, Sample, Values

SENSED = 6
"""Values of a sensor: acceleration with gravity in g, angular velocity in rad/s, three axes each."""
_CORNER_HZ = 0.3
_SHARE = np.float32(1 - math.exp(-2 * math.pi * _CORNER_HZ / RATE_HZ))


class Gravity:
    """A low-pass filter of the first order at 0.3 Hz: what stays is gravity, the rest is the body.

    The data set's authors filtered at the same frequency with a Butterworth filter of the third order (Anguita et al.
    2013), after the recording; this one needs no sample of the future.
    """

    def __init__(self) -> None:
        self._gravity: Values | None = None

    def nine_of(self, sensed: Values) -> Values:
        """`(6,)` as a sensor measures, to `(9,)` in the order of `CHANNELS`."""
        total, turning = sensed[:3], sensed[3:]
        self._gravity = total if self._gravity is None else self._gravity + _SHARE * (total - self._gravity)
        return np.concatenate([total - self._gravity, turning, total])


def nine_values(readings: Iterable[Reading]) -> Iterator[Reading]:
    """Samples of nine values, from such of six or nine; a gap begins the filter afresh."""
    gravity = Gravity()
    for reading in readings:
        if reading is None:
            gravity = Gravity()
            yield None
        elif len(reading.values) == SENSED:
            yield Sample(gravity.nine_of(reading.values), reading.label)
        else:
            yield reading


def sensed(readings: Iterable[Reading]) -> Iterator[Reading]:
    """What a sensor would have measured of samples of nine values."""
    for reading in readings:
        yield None if reading is None else Sample(np.roll(reading.values[3:], 3), reading.label)
