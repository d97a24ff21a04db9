"""The optimisers that follow the mean update itself: federated averaging, with momentum or without, distributed SGD."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.server_optimizers._elementwise import elementwise
from fieldfare.core.server_optimizers._protocol import State


@dataclass(frozen=True, slots=True)
class MeanDelta:
    """Federated averaging (McMahan et al. 2017, algorithm 1).

    With device weights n_k and deltas d_k = w_k - w:  w <- w + eta * sum(n_k d_k) / sum(n_k).
    For eta = 1 this is the weighted mean of the devices' weights.
    """

    learning_rate: float = 1.0

    def init(self, weights: NDArray[np.float32]) -> State:  # noqa: ARG002
        """No state."""
        return {}

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """Add the mean delta; float64 in between, rounded once."""
        (after,) = elementwise(lambda w, d: (w + self.learning_rate * d,), weights, mean_update)
        return state, after


@dataclass(frozen=True, slots=True)
class GradientStep:
    """Distributed SGD (FedSGD in McMahan et al. 2017, section 2).

    With device gradients g_k over n_k examples:  w <- w - eta * sum(n_k g_k) / sum(n_k).
    """

    learning_rate: float

    def init(self, weights: NDArray[np.float32]) -> State:
        """No state."""
        return MeanDelta().init(weights)

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """Take the step against the mean gradient."""
        return MeanDelta(-self.learning_rate).apply(state, weights, mean_update)


@dataclass(frozen=True, slots=True)
class Momentum:
    """FedAvgM (Hsu et al. 2019, section 4.3).

    With the mean delta d, which is minus the paper's:  v <- beta v + d,  w <- w + eta v,  from v = 0.

    Attributes:
        learning_rate: eta.
        beta: 0 to below 1; 0 is federated averaging.
    """

    learning_rate: float
    beta: float

    def init(self, weights: NDArray[np.float32]) -> State:
        """State: v = 0."""
        return {"momentum": np.zeros_like(weights)}

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """Add the decayed sum of all mean deltas."""

        def step(
            w: NDArray[np.float64], v: NDArray[np.float64], d: NDArray[np.float64]
        ) -> tuple[NDArray[np.float64], ...]:
            v = self.beta * v + d
            return v, w + self.learning_rate * v

        momentum, after = elementwise(step, weights, state["momentum"], mean_update)
        return {"momentum": momentum}, after
