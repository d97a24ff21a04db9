"""Adaptive server optimisers (Reddi et al. 2021, "Adaptive federated optimization", algorithm 2).

With the mean delta d of a round, and no bias correction, as in the paper:

    m <- beta1 m + (1 - beta1) d
    v <- v + d^2                                 FedAdagrad
    v <- beta2 v + (1 - beta2) d^2               FedAdam
    v <- v - (1 - beta2) d^2 sign(v - d^2)       FedYogi
    w <- w + eta m / (sqrt(v) + tau)

from m = 0 and v = tau^2, the smallest start that the paper allows. FedAdagrad has beta1 = 0, as in its experiments.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.server_optimizers._elementwise import elementwise
from fieldfare.core.server_optimizers._protocol import State

_Values = NDArray[np.float64]
_SecondMoment = Callable[[_Values, _Values], _Values]


@dataclass(frozen=True, slots=True)
class FedAdagrad:
    """The sum of all squares.

    Attributes:
        learning_rate: eta.
        adaptivity: tau.
    """

    learning_rate: float
    adaptivity: float

    def init(self, weights: NDArray[np.float32]) -> State:
        """State: v = tau^2."""
        return {"second_moment": np.full_like(weights, self.adaptivity**2)}

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """One round of algorithm 2."""

        def step(w: _Values, v: _Values, d: _Values) -> tuple[_Values, ...]:
            v = v + d * d
            return v, w + self.learning_rate * d / (np.sqrt(v) + self.adaptivity)

        second, after = elementwise(step, weights, state["second_moment"], mean_update)
        return {"second_moment": second}, after


@dataclass(frozen=True, slots=True)
class FedAdam:
    """A decaying mean of squares.

    Attributes:
        learning_rate: eta.
        beta1: decay of the first moment, 0 to below 1.
        beta2: decay of the second moment, 0 to below 1.
        adaptivity: tau.
    """

    learning_rate: float
    beta1: float
    beta2: float
    adaptivity: float

    def init(self, weights: NDArray[np.float32]) -> State:
        """State: m = 0, v = tau^2."""
        return _two_moments(weights, self.adaptivity)

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """One round of algorithm 2."""
        return _apply(self, lambda v, square: self.beta2 * v + (1 - self.beta2) * square, state, weights, mean_update)


@dataclass(frozen=True, slots=True)
class FedYogi:
    """A mean of squares that changes by no more than the new square does; attributes as in `FedAdam`."""

    learning_rate: float
    beta1: float
    beta2: float
    adaptivity: float

    def init(self, weights: NDArray[np.float32]) -> State:
        """State: m = 0, v = tau^2."""
        return _two_moments(weights, self.adaptivity)

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """One round of algorithm 2."""

        def moved(v: _Values, square: _Values) -> _Values:
            change: _Values = (1 - self.beta2) * square * np.sign(v - square)
            return v - change

        return _apply(self, moved, state, weights, mean_update)


def _two_moments(weights: NDArray[np.float32], adaptivity: float) -> State:
    return {"first_moment": np.zeros_like(weights), "second_moment": np.full_like(weights, adaptivity**2)}


def _apply(
    settings: FedAdam | FedYogi,
    second_moment: _SecondMoment,
    state: State,
    weights: NDArray[np.float32],
    mean_update: NDArray[np.float32],
) -> tuple[State, NDArray[np.float32]]:
    def step(w: _Values, m: _Values, v: _Values, d: _Values) -> tuple[_Values, ...]:
        m = settings.beta1 * m + (1 - settings.beta1) * d
        v = second_moment(v, d * d)
        return m, v, w + settings.learning_rate * m / (np.sqrt(v) + settings.adaptivity)

    moments = state["first_moment"], state["second_moment"]
    first, second, after = elementwise(step, weights, *moments, mean_update)
    return {"first_moment": first, "second_moment": second}, after
