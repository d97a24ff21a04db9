"""The quantiles in which figures of many devices are told."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""From the smallest device to the largest."""


def quantiles_of(values: NDArray[Any]) -> tuple[float, ...]:
    """The values at `QUANTILES`, in between by linear interpolation."""
    return tuple(float(one) for one in np.quantile(values, QUANTILES))
