"""One device whose training is a random update.

python -m benchmarks.aggregator.peer.device FOLDER ADDRESS INDEX SIZE
"""

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.aggregator.peer.updates import update_of
from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans import Examples, Manifest, read_manifest
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk import Device
from fieldfare.sdk.training import Trained

POPULATION = "peer"


class OneExample:
    """A source of one example of the hollow plan, so that every update weighs the same."""

    specs = (TensorSpec("x", "float32", (2,)), TensorSpec("y", "float32", (1,)))

    def training(self, _limit: int | None = None) -> Examples:
        return {"x": np.zeros((1, 2), np.float32), "y": np.zeros((1, 1), np.float32)}

    def held_out(self) -> Examples:
        return self.training()


class RandomUpdate:
    """A trainer that computes nothing."""

    def __init__(self, index: int, size: int) -> None:
        self._update = update_of(index, size)
        self._manifests: dict[str, Manifest] = {}

    def load(self, plan: Path, digest: str) -> Manifest:
        if digest not in self._manifests:
            self._manifests[digest] = read_manifest(plan)
        return self._manifests[digest]

    def train(
        self,
        _checkpoint: NDArray[np.float32],
        _examples: Examples,
        **_settings: object,
    ) -> Trained:
        return Trained(self._update, 0.0, 1)

    def evaluate(
        self,
        _checkpoint: NDArray[np.float32],
        _examples: Examples,
        **_settings: object,
    ) -> Mapping[str, MetricSum]:
        return {"loss": MetricSum(0.0, 1.0)}


def main() -> None:
    folder, address, index, size = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    trainer = RandomUpdate(int(index), int(size))
    with Device(folder, aggregator=address, population=POPULATION, store=OneExample(), trainer=trainer) as device:
        device.run_forever(stop)


if __name__ == "__main__":
    main()
