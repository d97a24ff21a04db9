"""The interface of a server optimiser (Reddi et al. 2021, algorithm 1, "ServerOpt")."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[np.float32]]
"""Named float32 vectors; kept beside each checkpoint."""


class ServerOptimizer(Protocol):
    """Two pure functions over a state of named float32 vectors; the state is kept beside each checkpoint."""

    def init(self, weights: NDArray[np.float32]) -> State:
        """The state before the first round."""
        ...

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """New state and new weights, `(n,)` float32; the arguments are not changed."""
        ...
