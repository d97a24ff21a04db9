"""Which pattern each device follows, and how far into it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Followers:
    """Of every device of a fleet.

    Attributes:
        pattern: `(devices,)` int32: number of the pattern that it follows.
        shift_s: `(devices,)` float64: what is added to the seconds since Monday, UTC, to come to the pattern's time.
    """

    pattern: NDArray[np.int32]
    shift_s: NDArray[np.float64]
