"""The two optimisers without state: federated averaging and distributed SGD."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_State = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MeanDelta:
    """Federated averaging (McMahan et al. 2017, algorithm 1).

    With device weights n_k and deltas d_k = w_k - w:  w <- w + eta * sum(n_k d_k) / sum(n_k).
    For eta = 1 this is the weighted mean of the devices' weights.
    """

    learning_rate: float = 1.0

    def init(self, weights: NDArray[np.float32]) -> _State:  # noqa: ARG002
        """No state."""
        return {}

    def apply(
        self, state: _State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[_State, NDArray[np.float32]]:
        """Add the mean delta; float64 in between, rounded once."""
        return state, (weights.astype(np.float64) + self.learning_rate * mean_update.astype(np.float64)).astype("f4")


@dataclass(frozen=True, slots=True)
class GradientStep:
    """Distributed SGD (FedSGD in McMahan et al. 2017, section 2).

    With device gradients g_k over n_k examples:  w <- w - eta * sum(n_k g_k) / sum(n_k).
    """

    learning_rate: float

    def init(self, weights: NDArray[np.float32]) -> _State:
        """No state."""
        return MeanDelta().init(weights)

    def apply(
        self, state: _State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[_State, NDArray[np.float32]]:
        """Take the step against the mean gradient."""
        return MeanDelta(-self.learning_rate).apply(state, weights, mean_update)
