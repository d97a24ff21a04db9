"""Pure functions over flat vectors of weights, `(n,)` float32; arguments are not changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float32]

CONTROL = "control"
"""SCAFFOLD's server control variate: its name in the optimiser's state, and in the weights file that devices fetch."""


@dataclass(frozen=True, slots=True)
class ControlVariates:
    """What SCAFFOLD corrects a device's gradients with.

    Attributes:
        own: c_i, the device's, `(n,)` float32; zero before its first round.
        server: c, the mean of all devices', `(n,)` float32; zero before the first round.
    """

    own: _Vector
    server: _Vector


def proximal_step(weights: _Vector, gradient: _Vector, anchor: _Vector, *, learning_rate: float, mu: float) -> _Vector:
    """One step of SGD on FedProx's local objective, `F(w) + mu / 2 |w - w_0|^2` (Li et al. 2020, eq. 2).

    `w <- w - eta (g + mu (w - w_0))`; for mu = 0 plain SGD.

    Args:
        weights: w.
        gradient: g, of the batch's mean loss at w.
        anchor: w_0, the round's global weights.
        learning_rate: eta.
        mu: at least 0.
    """
    slope: _Vector = gradient + np.float32(mu) * (weights - anchor)
    return weights - np.float32(learning_rate) * slope


def scaffold_step(weights: _Vector, gradient: _Vector, control: ControlVariates, *, learning_rate: float) -> _Vector:
    """One corrected step (Karimireddy et al. 2020, algorithm 1, line 10): `w <- w - eta (g - c_i + c)`.

    Args:
        weights: w.
        gradient: g, of the batch's mean loss at w.
        control: c_i and c.
        learning_rate: eta.
    """
    slope: _Vector = gradient - control.own + control.server
    return weights - np.float32(learning_rate) * slope


def control_delta(start: _Vector, end: _Vector, server: _Vector, *, steps: int, learning_rate: float) -> _Vector:
    """By how much a device's control variate changes (Karimireddy et al. 2020, algorithm 1, line 12, option II).

    `c_i+ - c_i = (x - y) / (K eta) - c`, since `c_i+ = c_i - c + (x - y) / (K eta)`. So c_i+ is the mean of the
    gradients along the way.

    Args:
        start: x, the round's global weights.
        end: y, the device's weights after its steps.
        server: c.
        steps: K, at least 1.
        learning_rate: eta.
    """
    return ((start.astype(np.float64) - end) / (steps * learning_rate) - server).astype(np.float32)
