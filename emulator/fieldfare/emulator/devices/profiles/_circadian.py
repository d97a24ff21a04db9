"""States of phones over a week, drawn from a model of what was observed.

Each condition (charging, Wi-Fi, idle) holds where a Gaussian variable lies below the quantile of the hour's share, so
that shares by hour come out as given (Emrich and Piedmonte 1991, "A method for generating high-dimensional multivariate
binary variates"). The variable is the sum of a part of the person, which makes people differ, and a part that changes
with time, smoothly, so that windows last as long as given; those of the three conditions are correlated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._cycles import make_cycles
from fieldfare.emulator.devices._gaussian import circular_noise, ring
from fieldfare.emulator.devices._states import METERED, UNMETERED, States

STEP_S = 300
_WEEK_S = 7 * 86_400
_CONDITIONS = 3


@dataclass(frozen=True, slots=True)
class CircadianModel:
    """When phones charge, are on Wi-Fi, and lie idle; each a triple in this order.

    Attributes:
        shares: three times 24: of the phones for which it holds, hour by hour from midnight; above 0 and below 1.
        person: of the variance that is the person's own, for ever.
        lasting_s: standard deviation of the Gaussian covariance in time; longer for longer windows.
        correlations: charging with Wi-Fi, charging with idle, Wi-Fi with idle.
    """

    shares: Sequence[Sequence[float]]
    person: Sequence[float]
    lasting_s: Sequence[float]
    correlations: Sequence[float]


def draw_conditions(model: CircadianModel, patterns: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """`(3, patterns, steps of a week)`: whether each condition holds, every 300 s from Monday's midnight."""
    steps = _WEEK_S // STEP_S
    first, second, third = model.correlations
    mix = np.linalg.cholesky([[1, first, second], [first, 1, third], [second, third, 1]])
    person = np.tensordot(mix, rng.standard_normal((_CONDITIONS, patterns)), 1)
    white = np.tensordot(mix, rng.standard_normal((_CONDITIONS, patterns, steps)), 1)
    hour = np.arange(steps) * STEP_S // 3600 % 24
    holds = np.empty(white.shape, np.bool_)
    for one in range(_CONDITIONS):
        noise = circular_noise(white[one], np.exp(-0.5 * (ring(steps) * STEP_S / model.lasting_s[one]) ** 2))
        own = model.person[one]
        below = np.array([NormalDist().inv_cdf(share) for share in model.shares[one]])[hour]
        holds[one] = np.sqrt(own) * person[one][:, None] + np.sqrt(1 - own) * noise < below
    return holds


def draw_states(model: CircadianModel, patterns: int, rng: np.random.Generator) -> States:
    """Weeks of some phones."""
    return states_of(draw_conditions(model, patterns, rng))


def states_of(holds: NDArray[np.bool_]) -> States:
    """The same as pieces; a phone that is not on Wi-Fi is on its cellular network.

    Args:
        holds: see `draw_conditions`.
    """
    changes = np.ones(holds.shape[1:], np.bool_)
    changes[:, 1:] = (holds[:, :, 1:] != holds[:, :, :-1]).any(axis=0)
    steps = [np.flatnonzero(one) for one in changes]
    cycles = make_cycles([float(_WEEK_S)] * len(steps), [(one * STEP_S).astype(np.float64) for one in steps])
    charging, unmetered, idle = (one[changes] for one in holds)
    return States(cycles, charging, np.where(unmetered, UNMETERED, METERED).astype(np.uint8), idle)
