"""What phones are doing: charging, on which network, used or idle; and when conditions hold in that."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._cycles import Cycles, make_cycles
from fieldfare.emulator.scenario import ConditionSettings

NO_NETWORK, METERED, UNMETERED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class States:
    """Of some patterns, piece by piece.

    Attributes:
        cycles: the pieces.
        charging: `(pieces,)` bool.
        network: `(pieces,)` uint8: NO_NETWORK, METERED or UNMETERED.
        idle: `(pieces,)` bool: nobody uses the device.
    """

    cycles: Cycles
    charging: NDArray[np.bool_]
    network: NDArray[np.uint8]
    idle: NDArray[np.bool_]


def when_held(states: States, conditions: ConditionSettings) -> tuple[Cycles, NDArray[np.bool_]]:
    """In which pieces a device may work: it has a network, and the conditions hold.

    Returns:
        Pieces, which are those of `states` or cut once more, and `(pieces,)` whether they hold.
    """
    holds = states.network != NO_NETWORK
    if conditions.on_power:
        holds = holds & states.charging
    if conditions.unmetered:
        holds = holds & (states.network == UNMETERED)
    if not conditions.min_user_idle:
        return states.cycles, holds
    begins, held = [], []
    cycles = states.cycles
    for pattern, period in enumerate(cycles.period_s):
        pieces = slice(cycles.first[pattern], cycles.first[pattern + 1])
        cuts, idle = _idle_for(cycles.begins_s[pieces], states.idle[pieces], float(period), conditions.min_user_idle)
        cut, index = _cut(cycles.begins_s[pieces], cuts)
        begins.append(cut)
        held.append(holds[pieces][index] & idle)
    return make_cycles(cycles.period_s.tolist(), begins), np.concatenate(held)


def _idle_for(
    begins: NDArray[np.float64], idle: NDArray[np.bool_], period: float, least: timedelta
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Moments at which a device has just been idle for so long; and for each piece, cut there, whether it has."""
    if idle.all() or not idle.any():
        return np.empty(0), idle
    starts = np.flatnonzero(idle & ~np.roll(idle, 1))
    stops = np.flatnonzero(~idle & np.roll(idle, 1))
    # A run ends with the next piece that is not idle, perhaps in the next repetition.
    until = np.append(begins[stops], begins[stops[0]] + period)[np.searchsorted(stops, starts)]
    since = begins[starts] + least.total_seconds()
    since, until = since[since < until], until[since < until]
    cuts = np.mod(since, period)
    cut, _ = _cut(begins, cuts)
    middle = cut + np.diff(np.append(cut, period)) / 2
    return cuts, _inside(since, until, middle) | _inside(since, until, middle + period)


def _inside(since: NDArray[np.float64], until: NDArray[np.float64], moments: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether moments lie in one of some spans that rise and do not overlap."""
    inside: NDArray[np.bool_] = moments < np.append(-np.inf, until)[np.searchsorted(since, moments, side="right")]
    return inside


def _cut(begins: NDArray[np.float64], cuts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Pieces cut at further moments, and which piece each came from."""
    cut = np.union1d(begins, cuts)
    return cut, np.searchsorted(begins, cut, side="right") - 1
