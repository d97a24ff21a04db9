"""The interface of a server optimiser (Reddi et al. 2021, algorithm 1, "ServerOpt")."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ServerOptimizer(Protocol):
    """Two pure functions over a state of named float32 vectors; the state is kept beside each checkpoint."""

    def init(self, weights: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The state before the first round."""
        ...

    def apply(
        self,
        state: dict[str, NDArray[np.float32]],
        weights: NDArray[np.float32],
        mean_update: NDArray[np.float32],
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        """New state and new weights, `(n,)` float32; the arguments are not changed."""
        ...
