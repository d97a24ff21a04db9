"""Counts by magnitude, in memory that does not grow with what is counted."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST, _A_DECADE = -3, 7, 12
_EDGES = np.logspace(_LOWEST, _HIGHEST, (_HIGHEST - _LOWEST) * _A_DECADE + 1)


@dataclass(slots=True)
class LogHistogram:
    """Positive values in twelve classes a decade, from a thousandth to ten million.

    Attributes:
        counts: `(classes,)` int64; what lies outside is in the first or the last.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(_EDGES) - 1, np.int64))

    def add(self, values: NDArray[np.float64]) -> None:
        """Count them; what is not above zero is passed over."""
        kept = np.clip(values[values > 0], _EDGES[0], np.nextafter(_EDGES[-1], 0))
        self.counts += np.histogram(kept, _EDGES)[0]

    @property
    def total(self) -> int:
        """How many are in it."""
        return int(self.counts.sum())

    def filled(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The classes between the first and the last that hold any.

        Returns:
            `(n + 1,)` edges and `(n,)` counts; both empty where nothing was counted.
        """
        (inside,) = np.nonzero(self.counts)
        if not len(inside):
            return np.zeros(0), np.zeros(0, np.int64)
        first, last = int(inside[0]), int(inside[-1])
        return _EDGES[first : last + 2], self.counts[first : last + 1]

    def quantile(self, share: float) -> float:
        """The value below which this share lies, to the width of a class; NaN where nothing was counted."""
        if not self.total:
            return float("nan")
        index = int(np.searchsorted(np.cumsum(self.counts), share * self.total))
        return float(np.sqrt(_EDGES[index] * _EDGES[index + 1]))
