"""Bandwidths that change with time, and how long so many bytes take over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._cycles import Cycles


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of some patterns, piece by piece.

    Attributes:
        bytes_s: `(pieces,)` float64: bandwidth; 0 for none.
        before: `(pieces,)` float64: bytes that the pieces before it in its pattern carry.
        total: `(patterns,)` float64: bytes that each pattern carries until it begins again; above 0.
    """

    bytes_s: NDArray[np.float64]
    before: NDArray[np.float64]
    total: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bandwidths:
    """Of some patterns.

    Attributes:
        cycles: the pieces.
        down: to the devices.
        up: from them.
    """

    cycles: Cycles
    down: Direction
    up: Direction

    def seconds(self, pattern: int, moment_s: float, nbytes: int, *, up: bool) -> float:
        """Until so many bytes are through: the bandwidth is added up over time until they are.

        Args:
            pattern: from 0.
            moment_s: when they begin, from the beginning of any repetition.
            nbytes: how many.
            up: from the device, or to it.
        """
        if not nbytes:
            return 0.0
        direction = self.up if up else self.down
        piece, start = self.cycles.find_one(pattern, moment_s)
        begins = self.cycles.begins_s
        carried = float(direction.before[piece] + (start - begins[piece]) * direction.bytes_s[piece])
        total = float(direction.total[pattern])
        rounds, rest = divmod(carried + nbytes, total)
        if not rest:
            # The last byte comes before the next repetition begins.
            rounds, rest = rounds - 1, total
        first, last = int(self.cycles.first[pattern]), int(self.cycles.first[pattern + 1])
        # The last piece with less before it than is needed: it has a bandwidth, since it carries the last byte.
        piece = first + int(np.searchsorted(direction.before[first:last], rest)) - 1
        end = float(begins[piece]) + (rest - float(direction.before[piece])) / float(direction.bytes_s[piece])
        return max(rounds * float(self.cycles.period_s[pattern]) + end - start, 0.0)


def make_direction(cycles: Cycles, bytes_s: NDArray[np.float64]) -> Direction:
    """Add bandwidths up.

    Args:
        cycles: the pieces.
        bytes_s: `(pieces,)`; each pattern carries something.
    """
    ends = np.append(cycles.laid_s[1:], cycles.offsets_s[-1] + cycles.period_s[-1])
    sums = np.concatenate([[0.0], np.cumsum((ends - cycles.laid_s) * bytes_s)])
    start = sums[cycles.first[:-1]]
    before = sums[:-1] - np.repeat(start, np.diff(cycles.first))
    return Direction(bytes_s, before, sums[cycles.first[1:]] - start)
