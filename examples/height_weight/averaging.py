"""The averaging that the field started from, on weight = a + b x.

Five ways to fit a line, from one machine that holds everything to devices that share nothing but weights. The mean of
what the devices report is formed by the code that the aggregator runs: `FixedPointSum` and the server optimisers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation import FixedPointSum, SumBounds
from fieldfare.core.server_optimizers import GradientStep, MeanDelta, ServerOptimizer

Vector = NDArray[np.float64]
"""`(2,)`: intercept a and slope b."""

_BOUNDS = SumBounds(max_abs_value=4096.0, max_weight=100_000, max_updates=1000)


@dataclass(frozen=True, slots=True)
class Samples:
    """Examples of one holder: `x` `(n,)`, `y` `(n,)`."""

    x: Vector
    y: Vector

    def __len__(self) -> int:
        return len(self.x)


def rmse(line: Vector, samples: Samples) -> float:
    """Root of the mean squared error, in the unit of y."""
    return float(np.sqrt(np.mean((line[0] + line[1] * samples.x - samples.y) ** 2)))


def gradient(line: Vector, samples: Samples) -> Vector:
    """Gradient of the mean squared error."""
    error = line[0] + line[1] * samples.x - samples.y
    return 2.0 * np.array([np.mean(error), np.mean(error * samples.x)])


def least_squares(samples: Samples) -> Vector:
    """The closed form: what every way below comes near to."""
    design = np.stack([np.ones_like(samples.x), samples.x], axis=1)
    return np.linalg.lstsq(design, samples.y, rcond=None)[0]


def centralised_step(line: Vector, samples: Samples, *, learning_rate: float) -> Vector:
    """One step of gradient descent over all examples."""
    return line - learning_rate * gradient(line, samples)


def minibatch_epoch(
    line: Vector, samples: Samples, *, batch_size: int, learning_rate: float, rng: np.random.Generator
) -> Vector:
    """One pass of minibatch SGD over shuffled examples; the last batch may be short."""
    order = rng.permutation(len(samples))
    for start in range(0, len(samples), batch_size):
        rows = order[start : start + batch_size]
        line = centralised_step(line, Samples(samples.x[rows], samples.y[rows]), learning_rate=learning_rate)
    return line


def distributed_sgd_round(line: Vector, clients: Sequence[Samples], *, learning_rate: float) -> Vector:
    """Each client sends the gradient over its examples; the server steps against their weighted mean.

    Equal to `centralised_step` over all examples, whatever the split: a mean of means, weighted by counts.
    """
    reports = [(gradient(line, client), len(client)) for client in clients]
    return _server_step(GradientStep(learning_rate), line, reports)


def federated_averaging_round(
    line: Vector, clients: Sequence[Samples], *, local_steps: int, learning_rate: float
) -> Vector:
    """Each client takes local steps of gradient descent and sends how far it went (McMahan et al. 2017).

    With one local step this is `distributed_sgd_round`.
    """
    reports = []
    for client in clients:
        local = line
        for _ in range(local_steps):
            local = centralised_step(local, client, learning_rate=learning_rate)
        reports.append((local - line, len(client)))
    return _server_step(MeanDelta(), line, reports)


def rounds_until(
    step: Callable[[Vector], Vector], samples: Samples, *, target_rmse: float, limit: int
) -> tuple[Vector, int]:
    """Repeat `step` from a line of zeros until the error is at or below the target.

    Raises:
        RuntimeError: the target was not reached within `limit` rounds.
    """
    line = np.zeros(2)
    for count in range(1, limit + 1):
        line = step(line)
        if rmse(line, samples) <= target_rmse:
            return line, count
    raise RuntimeError(f"RMSE {rmse(line, samples):.4f} after {limit} rounds, target {target_rmse:.4f}")


def _server_step(optimizer: ServerOptimizer, line: Vector, reports: Sequence[tuple[Vector, int]]) -> Vector:
    total = FixedPointSum(2, _BOUNDS)
    for vector, count in reports:
        total.add(vector.astype(np.float32), count)
    weights = line.astype(np.float32)
    _, weights = optimizer.apply(optimizer.init(weights), weights, total.mean())
    return weights.astype(np.float64)
