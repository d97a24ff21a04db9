"""A trainer on which not all goes well."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.sdk.training import LiteRtTrainer, Trained


class TroubledTrainer(LiteRtTrainer):
    """Finds NaN for one device, and says of another that it has more examples than the task allows."""

    def train(self, weights: NDArray[np.float32], examples: Any, **settings: Any) -> Trained:
        done = super().train(weights, examples, **settings)
        trouble = int(np.abs(examples["x"]).sum() * 1000) % 4
        if trouble == 0:
            return Trained(np.full_like(done.vector, np.nan), done.loss, done.example_count, done.steps)
        if trouble == 1:
            return Trained(done.vector, done.loss, 10**6, done.steps)
        return done
