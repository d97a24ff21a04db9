"""Sliding windows over a stream of samples."""

from dataclasses import dataclass

import numpy as np

from examples.raspberry_pi.activity import CHANNELS, STEP, UNKNOWN, WINDOW, Reading, Values


@dataclass(frozen=True, slots=True)
class Window:
    """What the model looks at.

    Attributes:
        values: `(128, 9)` float32, oldest sample first.
        label: the activity of all of its samples; `UNKNOWN` where they differ, or one of them has none.
    """

    values: Values
    label: int


class SlidingWindow:
    """Gives a window of the newest `length` samples after every `step` of them.

    Args:
        length: samples of a window.
        step: samples between the beginnings of two windows, 1 to `length`.
    """

    def __init__(self, length: int = WINDOW, step: int = STEP) -> None:
        self._length, self._step = length, step
        self._values = np.empty((length, len(CHANNELS)), np.float32)
        self._labels = np.empty(length, np.int32)
        self._filled = 0

    def push(self, reading: Reading) -> Window | None:
        """Take the next sample; None (samples are missing) begins afresh. Returns a window where one is complete."""
        if reading is None:
            self._filled = 0
            return None
        self._values[self._filled] = reading.values
        self._labels[self._filled] = reading.label
        self._filled += 1
        if self._filled < self._length:
            return None
        first = int(self._labels[0])
        window = Window(self._values.copy(), first if (self._labels == first).all() else UNKNOWN)
        kept = self._length - self._step
        # Safe: the copies are made before they are written over.
        self._values[:kept] = self._values[self._step :].copy()
        self._labels[:kept] = self._labels[self._step :].copy()
        self._filled = kept
        return window
