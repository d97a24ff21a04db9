"""What happens to each window: the labelled ones go into the example store, all of them through the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.raspberry_pi.activity import ACTIVITIES, INPUT, TARGET, UNKNOWN, Reading
from examples.raspberry_pi.windows import SlidingWindow, Window
from fieldfare.core.errors import NotFoundError, PlanError
from fieldfare.core.plans import Examples
from fieldfare.sdk import ExampleStore

Predict = Callable[[Examples], dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the model says of one window.

    Attributes:
        label: the activity that was given with the samples; `UNKNOWN` where none was, and nothing was stored.
        activity: the activity that the model takes it for; None as long as there is no model.
        probability: of that activity, 0 to 1; 0 without a model.
    """

    label: int
    activity: int | None
    probability: float


class Recogniser:
    """Takes samples, gives recognitions. Not thread-safe.

    Args:
        store: where labelled windows go.
        predict: `Device.predict` or the like; may raise `NotFoundError` until there is a model.
    """

    def __init__(self, store: ExampleStore, predict: Predict) -> None:
        self._store, self._predict = store, predict
        self._windows = SlidingWindow()

    def push(self, reading: Reading) -> Recognition | None:
        """Take the next sample; a recognition where it completes a window.

        Raises:
            StorageError: the store cannot be written, or the model cannot be read.
            PlanError: the model is not one of activities, or is damaged.
        """
        window = self._windows.push(reading)
        if window is None:
            return None
        if window.label != UNKNOWN:
            self._store.add({INPUT: window.values, TARGET: np.int32(window.label)})
        return self._recognise(window)

    def _recognise(self, window: Window) -> Recognition:
        try:
            outputs = self._predict({INPUT: window.values[np.newaxis]})
        except NotFoundError:
            return Recognition(window.label, None, 0.0)
        (logits, *others) = outputs.values()
        if others or logits.shape != (1, len(ACTIVITIES)):
            raise PlanError(f"the plan does not give one value for each of {len(ACTIVITIES)} activities")
        powers = np.exp(logits[0] - logits[0].max())
        best = int(powers.argmax())
        return Recognition(window.label, best, float(powers[best] / powers.sum()))
