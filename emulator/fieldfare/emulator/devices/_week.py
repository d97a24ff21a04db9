"""When a fleet is available over a week."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._availability import Availability

_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_LOOKED_AT = 2_000
_QUARTER = timedelta(minutes=15)


def availability_by_hour(availability: Availability) -> NDArray[np.float64]:
    """Share of the fleet that is available, by day of the week and hour of the day.

    Args:
        availability: of the fleet; of more than 2,000 devices as many are looked at, evenly spread.

    Returns:
        `(7, 24)`, from Monday, 0 to 1 o'clock UTC on; each the mean of four moments of that hour.
    """
    everybody = len(availability.pattern)
    devices = np.unique(np.linspace(0, everybody - 1, min(everybody, _LOOKED_AT)).astype(np.int64))
    moments = (_MONDAY + (quarter + 0.5) * _QUARTER for quarter in range(7 * 24 * 4))
    shares = np.array([availability.at(moment, devices).mean() for moment in moments])
    hours: NDArray[np.float64] = shares.reshape(7, 24, 4).mean(axis=2)
    return hours
