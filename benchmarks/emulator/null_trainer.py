"""A trainer that computes nothing: what is left is the emulation itself."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.sdk.training import Trained


class NullTrainer:
    """Reports the same update for every device; see `fieldfare.sdk.LocalTrainer`."""

    def __init__(self) -> None:
        self._manifests: dict[str, Manifest] = {}
        self._update: NDArray[np.float32] = np.zeros(0, np.float32)

    def load(self, plan: Path, digest: str) -> Manifest:
        """The plan's manifest; the plan itself is not loaded."""
        if digest not in self._manifests:
            self._manifests[digest] = read_manifest(plan)
        return self._manifests[digest]

    def train(self, checkpoint: NDArray[np.float32], *_: Any, **__: Any) -> Trained:
        """One thousandth for each weight, by one example."""
        if self._update.size != checkpoint.size:
            self._update = np.full(checkpoint.size, 1e-3, np.float32)
        return Trained(self._update, 0.0, 1, 1)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, MetricSum]:
        """Nothing is measured."""
        return {}
