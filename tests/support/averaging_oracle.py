"""The global weights computed a second time, slowly: LiteRT on each device's examples, exact arithmetic in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation import SumBounds
from fieldfare.core.metrics import MetricSum
from fieldfare.core.tasks import Algorithm, TaskSpec
from fieldfare.core.weights import sha256
from fieldfare.sdk import ExampleStore, LiteRtTrainer
from fieldfare.sdk.training import Trained


def _go_on() -> str:
    return ""


@dataclass(frozen=True)
class Oracle:
    """Trains as devices do, one after the other, and averages with fractions."""

    plan: Path
    spec: TaskSpec

    def trained(
        self, weights: NDArray[np.float32], devices: Sequence[tuple[ExampleStore, int]], round_number: int
    ) -> list[Trained]:
        """What each device (its store and its seed) reports in a round, before it is encoded."""
        trainer = LiteRtTrainer()
        trainer.load(self.plan, sha256(self.plan.read_bytes()).hex())
        return [
            trainer.train(
                weights,
                store.training(self.spec.local.max_examples),
                local=self.spec.local,
                algorithm=self.spec.aggregation.algorithm,
                rng=np.random.default_rng([seed, round_number]),
                interrupt=_go_on,
            )
            for store, seed in devices
        ]

    def evaluated(
        self, weights: NDArray[np.float32], stores: Sequence[ExampleStore]
    ) -> Mapping[str, tuple[Fraction, Fraction]]:
        """Exact sums and weights of every metric over the held-out examples of all stores."""
        trainer = LiteRtTrainer()
        trainer.load(self.plan, sha256(self.plan.read_bytes()).hex())
        parts: list[Mapping[str, MetricSum]] = [
            trainer.evaluate(weights, store.held_out(), interrupt=_go_on) for store in stores
        ]
        return {
            name: (
                sum((Fraction(part[name].sum) for part in parts), Fraction(0)),
                sum((Fraction(part[name].weight) for part in parts), Fraction(0)),
            )
            for name in parts[0]
        }

    def exact_mean(self, reports: Sequence[Trained]) -> list[Fraction]:
        """sum(n_k v_k) / sum(n_k) without any rounding."""
        total = sum(one.example_count for one in reports)
        return [
            sum((Fraction(float(one.vector[index])) * one.example_count for one in reports), Fraction(0)) / total
            for index in range(reports[0].vector.size)
        ]

    def committed_mean(self, reports: Sequence[Trained]) -> NDArray[np.float32]:
        """The same with the roundings that the aggregator promises: n_k v_k to its quantum, the mean to float32."""
        spec = self.spec
        bounds = SumBounds(spec.aggregation.max_abs_value, spec.local.max_examples, 4 * spec.training.asked + 1000)
        units = Fraction(2) ** bounds.fraction_bits
        weight = sum(one.example_count for one in reports)
        sums = [
            sum(round(Fraction(float(one.vector[index])) * one.example_count * units) for one in reports)
            for index in range(reports[0].vector.size)
        ]
        return np.array([float(Fraction(one) / units / weight) for one in sums], np.float64).astype(np.float32)

    def step(self, weights: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next checkpoint."""
        rate = self.spec.aggregation.server_learning_rate
        if self.spec.aggregation.algorithm is Algorithm.DSGD:
            rate = -rate
        return (weights.astype(np.float64) + rate * mean.astype(np.float64)).astype(np.float32)

    def after_round(
        self, weights: NDArray[np.float32], devices: Sequence[tuple[ExampleStore, int]], round_number: int
    ) -> NDArray[np.float32]:
        return self.step(weights, self.committed_mean(self.trained(weights, devices, round_number)))
