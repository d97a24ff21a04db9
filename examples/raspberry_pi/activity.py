"""The words of this example: channels, activities, one sample, and what an example of the store consists of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.sdk import TensorSpec

RATE_HZ = 50
WINDOW = 128
STEP = 64
CHANNELS = (
    "body_acc_x",
    "body_acc_y",
    "body_acc_z",
    "body_gyro_x",
    "body_gyro_y",
    "body_gyro_z",
    "total_acc_x",
    "total_acc_y",
    "total_acc_z",
)
"""Acceleration without gravity and with it in g, angular velocity in rad/s: the order of a sample's values."""
ACTIVITIES = ("walking", "upstairs", "downstairs", "sitting", "standing", "laying")
UNKNOWN = -1
INPUT, TARGET = "window", "label"
SPECS = (TensorSpec(INPUT, "float32", (WINDOW, len(CHANNELS))), TensorSpec(TARGET, "int32", ()))
POPULATION = "activity"
BATCH_SIZE = 16
LEARNING_RATE = 0.1

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the sensor measured at one instant.

    Attributes:
        values: `(9,)` float32, in the order of `CHANNELS`; `(6,)` as a sensor measures, see `gravity.py`.
        label: index into `ACTIVITIES`, or `UNKNOWN`.
    """

    values: Values
    label: int = UNKNOWN


Reading = Sample | None
"""One step of a stream; None where samples are missing, so that no window may reach across."""


def activity_index(name: str) -> int:
    """The index of an activity; `UNKNOWN` for "" and "-".

    Raises:
        DataError: no such activity.
    """
    plain = name.strip().lower()
    if plain in {"", "-"}:
        return UNKNOWN
    if plain not in ACTIVITIES:
        raise DataError(f"there is no such activity: use one of {', '.join(ACTIVITIES)}, or - where it is not known")
    return ACTIVITIES.index(plain)
