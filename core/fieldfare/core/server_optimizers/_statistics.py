"""Moving statistics of normalisations are averaged, whatever the optimiser does with the weights that are trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.server_optimizers._elementwise import elementwise
from fieldfare.core.server_optimizers._protocol import ServerOptimizer, State


@dataclass(frozen=True, slots=True)
class AveragedStatistics:
    """Another optimiser, except that statistics become their plain mean:  s <- s + sum(n_k d_k) / sum(n_k).

    A variance that is adapted or follows a momentum may become negative; a mean of variances cannot.

    Attributes:
        inner: treats every weight by itself.
        statistics: where they lie in the weights.
    """

    inner: ServerOptimizer
    statistics: Sequence[slice]

    def init(self, weights: NDArray[np.float32]) -> State:
        """That of the inner optimiser."""
        return self.inner.init(weights)

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """One round; the part of the state that belongs to statistics stays as it is."""
        new_state, after = self.inner.apply(state, weights, mean_update)
        for part in self.statistics:
            (after[part],) = elementwise(lambda w, d: (w + d,), weights[part], mean_update[part])
            for name, values in new_state.items():
                values[part] = state[name][part]
        return new_state, after
