"""What changes with time and begins again: pieces of a few patterns, found for many devices at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cycles:
    """Some patterns, each cut into pieces, each repeated for ever. `make_cycles` makes them.

    Attributes:
        period_s: `(patterns,)` float64: seconds after which a pattern begins again.
        first: `(patterns + 1,)` int64: pattern i has the pieces `first[i]` to below `first[i + 1]`.
        begins_s: `(pieces,)` float64: where each begins in its pattern, 0 for a pattern's first.
        offsets_s: `(patterns,)` float64: where each pattern begins when all are laid end to end.
    """

    period_s: NDArray[np.float64]
    first: NDArray[np.int64]
    begins_s: NDArray[np.float64]
    offsets_s: NDArray[np.float64]
    laid_s: NDArray[np.float64]

    def find(
        self, pattern: NDArray[np.integer], moment_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The pieces in which moments lie.

        Args:
            pattern: `(n,)`, from 0.
            moment_s: `(n,)`, counted from the beginning of any repetition.

        Returns:
            `(n,)` numbers of pieces, and `(n,)` the moments counted from the beginning of theirs.
        """
        within = np.mod(moment_s, self.period_s[pattern])
        piece = np.searchsorted(self.laid_s, self.offsets_s[pattern] + within, side="right") - 1
        # Safe: a sum may round into the next pattern.
        return np.clip(piece, self.first[pattern], self.first[pattern + 1] - 1), within

    def find_one(self, pattern: int, moment_s: float) -> tuple[int, float]:
        """The same for one device, faster."""
        within = moment_s % float(self.period_s[pattern])
        pieces = slice(int(self.first[pattern]), int(self.first[pattern + 1]))
        return pieces.start + int(self.begins_s[pieces].searchsorted(within, side="right")) - 1, within


def make_cycles(periods_s: Sequence[float], begins_s: Sequence[NDArray[np.float64]]) -> Cycles:
    """Lay patterns side by side.

    Args:
        periods_s: of each pattern.
        begins_s: of each pattern's pieces; rising, from 0.
    """
    period = np.asarray(periods_s, np.float64)
    offsets = np.concatenate([[0.0], np.cumsum(period)[:-1]])
    first = np.concatenate([[0], np.cumsum([len(one) for one in begins_s])]).astype(np.int64)
    begins = np.concatenate(begins_s).astype(np.float64)
    return Cycles(period, first, begins, offsets, begins + np.repeat(offsets, np.diff(first)))


def seconds_since_monday(now: datetime) -> float:
    """Seconds from a Monday's midnight, UTC."""
    return (now - _MONDAY).total_seconds()
