"""`LiteRtTrainer`: the plan's signatures on the LiteRT runtime."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import PlanError, StateError
from fieldfare.core.metrics import MetricSum, add_metrics
from fieldfare.core.plans import Examples, Manifest, PlanRuntime, count_rows, take_rows
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.sdk.training._trainer import Interrupt, Interrupted, Trained


class LiteRtTrainer:
    """A `LocalTrainer` on LiteRT. Not thread-safe.

    Args:
        num_threads: threads of the runtime.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self._num_threads = num_threads
        self._digest = ""
        self._runtime: PlanRuntime | None = None

    def load(self, plan: Path, digest: str) -> Manifest:
        """Load the plan, unless it is the one that is loaded."""
        if self._runtime is None or self._digest != digest:
            self._runtime = None  # the old one's memory is free before the new one's is taken
            self._runtime = PlanRuntime(plan, num_threads=self._num_threads)
            self._digest = digest
        return self._runtime.manifest

    def train(
        self,
        checkpoint: NDArray[np.float32],
        examples: Examples,
        *,
        local: LocalTrainingSpec,
        algorithm: Algorithm,
        rng: np.random.Generator,
        interrupt: Interrupt,
    ) -> Trained:
        """FedAvg: SGD over shuffled batches, `delta = w' - w` (McMahan et al. 2017, algorithm 1, ClientUpdate).

        D-SGD: the gradient of the mean loss over all examples at `w`, summed in float64; epochs, steps and learning
        rate do not matter.
        """
        runtime = self._loaded()
        runtime.set_weights(checkpoint)
        if algorithm is Algorithm.DSGD:
            return _gradient(runtime, examples, interrupt)
        return _descend(runtime, checkpoint, examples, local, rng, interrupt)

    def evaluate(
        self, checkpoint: NDArray[np.float32], examples: Examples, *, interrupt: Interrupt
    ) -> Mapping[str, MetricSum]:
        """Sums of loss and metrics over the examples."""
        runtime = self._loaded()
        runtime.set_weights(checkpoint)
        batch = runtime.manifest.batch_size
        parts: list[Mapping[str, MetricSum]] = []
        for start in range(0, count_rows(examples), batch):
            _check(interrupt)
            parts.append(runtime.evaluate_step(take_rows(examples, slice(start, start + batch))))
        return add_metrics(parts)

    def _loaded(self) -> PlanRuntime:
        if self._runtime is None:
            raise StateError("no plan is loaded: call load first")
        return self._runtime


def _descend(
    runtime: PlanRuntime,
    checkpoint: NDArray[np.float32],
    examples: Examples,
    local: LocalTrainingSpec,
    rng: np.random.Generator,
    interrupt: Interrupt,
) -> Trained:
    rows, batch = count_rows(examples), runtime.manifest.batch_size
    rate = runtime.manifest.learning_rate if local.learning_rate is None else local.learning_rate
    limit = local.max_steps or math.inf
    loss_sum, seen, steps = 0.0, 0, 0
    for _ in range(local.epochs):
        order = rng.permutation(rows)
        for start in range(0, rows, batch):
            if steps >= limit:
                break
            _check(interrupt)
            picked = order[start : start + batch]
            loss = runtime.train_step(take_rows(examples, picked), learning_rate=rate)
            if not math.isfinite(loss):
                raise PlanError(f"the loss is {loss} after {steps} steps: the learning rate {rate:g} may be too high")
            loss_sum += loss * len(picked)
            seen += len(picked)
            steps += 1
    # Safe: as long as the first pass is not complete, every example that was seen is another one.
    return Trained(runtime.get_weights() - checkpoint, loss_sum / seen, min(seen, rows))


def _gradient(runtime: PlanRuntime, examples: Examples, interrupt: Interrupt) -> Trained:
    rows, batch = count_rows(examples), runtime.manifest.batch_size
    total: NDArray[np.float64] | None = None
    loss_sum = 0.0
    for start in range(0, rows, batch):
        _check(interrupt)
        part = take_rows(examples, slice(start, start + batch))
        gradient, loss = runtime.gradients_step(part)
        scaled = gradient.astype(np.float64) * count_rows(part)
        total = scaled if total is None else total + scaled
        loss_sum += loss * count_rows(part)
    if total is None or not math.isfinite(loss_sum):
        raise PlanError(f"the loss is {loss_sum} at the checkpoint")
    return Trained((total / rows).astype(np.float32), loss_sum / rows, rows)


def _check(interrupt: Interrupt) -> None:
    if reason := interrupt():
        raise Interrupted(reason)
