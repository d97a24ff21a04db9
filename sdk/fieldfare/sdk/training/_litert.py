"""`LiteRtTrainer`: the plan's signatures on the LiteRT runtime."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import PlanError, StateError
from fieldfare.core.local_steps import ControlVariates, control_delta, proximal_step, scaffold_step
from fieldfare.core.metrics import MetricSum, add_metrics
from fieldfare.core.plans import Examples, Manifest, PlanRuntime, count_rows, take_rows
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.sdk.training._batches import batches
from fieldfare.sdk.training._progress import Progress, generator_at
from fieldfare.sdk.training._release import give_back_memory
from fieldfare.sdk.training._trainer import Enough, Interrupt, Interrupted, Trained, never

_Step = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


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

    def unload(self) -> None:
        """Let the plan go, and what it took from the system."""
        if self._runtime is not None:
            self._runtime = None
            give_back_memory()

    def train(
        self,
        checkpoint: NDArray[np.float32],
        examples: Examples,
        *,
        local: LocalTrainingSpec,
        algorithm: Algorithm,
        rng: "np.random.Generator",
        interrupt: Interrupt,
        enough: Enough = never,
        control: ControlVariates | None = None,
        progress: Progress | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Trained:
        """FedAvg: the plan's optimiser over shuffled batches, `delta = w' - w` (McMahan et al. 2017, ClientUpdate).

        FedProx, SCAFFOLD: the same batches with plain SGD instead of the plan's optimiser, by `core.local_steps`.
        D-SGD: the gradient of the mean loss over all examples at `w`, summed in float64; epochs, steps and learning
        rate do not matter.

        An `Interrupted` holds no progress where the plan is of an older version, whose optimiser cannot be put back.

        Raises:
            StateError: no plan is loaded; SCAFFOLD without `control`.
        """
        runtime = self._loaded()
        runtime.set_weights(checkpoint)
        begun = progress or Progress(checkpoint, {}, rng.bit_generator.state, 0, 0.0, 0)
        if algorithm is Algorithm.DSGD:
            return _gradient(runtime, examples, interrupt, begun)
        rate = runtime.manifest.learning_rate if local.learning_rate is None else local.learning_rate
        step: _PlanSteps | _OwnSteps = _PlanSteps(runtime, rate)
        if algorithm is Algorithm.FEDPROX:
            step = _OwnSteps(runtime, begun.vector, _proximal(checkpoint, rate, local.proximal_mu, mask))
        elif algorithm is Algorithm.SCAFFOLD:
            if control is None:
                raise StateError("SCAFFOLD needs the control variates of device and server")
            step = _OwnSteps(runtime, begun.vector, lambda w, g: scaffold_step(w, g, control, learning_rate=rate))
        if progress is not None:
            rng = generator_at(progress.order)
            step.go_on_from(progress)
        size = local.batch_size or runtime.manifest.batch_size
        order = batches(count_rows(examples), size, local, rng)
        done = _descend(step, rate, examples, order, begun, interrupt, enough)
        end = step.weights
        vector = end - checkpoint
        if algorithm is Algorithm.SCAFFOLD and control is not None:
            turned = control_delta(checkpoint, end, control.server, steps=done.steps, learning_rate=rate)
            vector = np.concatenate([vector, turned])
        return Trained(vector, done.loss, done.used, done.steps)

    def evaluate(
        self, weights: NDArray[np.float32], examples: Examples, *, interrupt: Interrupt
    ) -> Mapping[str, MetricSum]:
        """Of the weights: sums of loss and metrics over the examples."""
        runtime = self._loaded()
        runtime.set_weights(weights)
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


class _PlanSteps:
    """Steps of the plan's own optimiser."""

    def __init__(self, runtime: PlanRuntime, learning_rate: float) -> None:
        self._runtime = runtime
        self._rate = learning_rate

    def __call__(self, batch: Examples) -> float:
        """Take a step; the mean loss before it."""
        return self._runtime.train_step(batch, learning_rate=self._rate)

    @property
    def weights(self) -> NDArray[np.float32]:
        """Where the steps have led."""
        return self._runtime.get_weights()

    @property
    def state(self) -> dict[str, NDArray[Any]] | None:
        """Of the optimiser; None where it cannot be put back."""
        return self._runtime.get_state() if self._runtime.has_settable_state else None

    def go_on_from(self, progress: Progress) -> None:
        """Put the weights and the optimiser where they were."""
        self._runtime.set_weights(progress.vector)
        self._runtime.set_state(progress.state)


class _OwnSteps:
    """Steps that are taken here, from the plan's gradients; members as in `_PlanSteps`."""

    def __init__(self, runtime: PlanRuntime, start: NDArray[np.float32], step: _Step) -> None:
        self._runtime = runtime
        self._step = step
        self.weights = start
        self.state: dict[str, NDArray[Any]] | None = {}

    def go_on_from(self, progress: Progress) -> None:
        self.weights = progress.vector

    def __call__(self, batch: Examples) -> float:
        self._runtime.set_weights(self.weights)
        gradient, loss = self._runtime.gradients_step(batch)
        self.weights = self._step(self.weights, gradient)
        return loss


@dataclass(frozen=True, slots=True)
class _Passes:
    """What became of the passes over the examples: mean loss, steps, distinct examples used."""

    loss: float
    steps: int
    used: int


def _descend(
    step: _PlanSteps | _OwnSteps,
    rate: float,
    examples: Examples,
    order: Iterator[NDArray[np.intp]],
    begun: Progress,
    interrupt: Interrupt,
    enough: Enough,
) -> _Passes:
    """Step through the batches that are left; `step` gives the batch's mean loss before it."""
    loss_sum, seen, steps = begun.loss_sum, begun.seen, begun.steps
    for picked in islice(order, steps, None):
        if reason := interrupt():
            state = step.state
            left = None if state is None else Progress(step.weights, state, begun.order, steps, loss_sum, seen)
            raise Interrupted(reason, left)
        loss = step(take_rows(examples, picked))
        if not math.isfinite(loss):
            raise PlanError(f"the loss is {loss} after {steps} steps: the learning rate {rate:g} may be too high")
        loss_sum += loss * len(picked)
        seen += len(picked)
        steps += 1
        if enough():
            break
    # Safe: as long as the first pass is not complete, every example that was seen is another one.
    return _Passes(loss_sum / seen, steps, min(seen, count_rows(examples)))


def _gradient(runtime: PlanRuntime, examples: Examples, interrupt: Interrupt, begun: Progress) -> Trained:
    rows, batch = count_rows(examples), runtime.manifest.batch_size
    total = begun.vector.astype(np.float64) if begun.steps else np.zeros(begun.vector.size)
    loss_sum = begun.loss_sum
    for start in range(begun.seen, rows, batch):
        if reason := interrupt():
            raise Interrupted(reason, Progress(total, {}, begun.order, start // batch, loss_sum, start))
        part = take_rows(examples, slice(start, start + batch))
        gradient, loss = runtime.gradients_step(part)
        scaled = gradient.astype(np.float64) * count_rows(part)
        total = total + scaled
        loss_sum += loss * count_rows(part)
    if not math.isfinite(loss_sum):
        raise PlanError(f"the loss is {loss_sum} at the checkpoint")
    return Trained((total / rows).astype(np.float32), loss_sum / rows, rows, -(-rows // batch))


def _proximal(anchor: NDArray[np.float32], rate: float, mu: float, mask: NDArray[np.bool_] | None) -> _Step:
    """FedProx's steps. What the mask excludes has no slope: its gradient is left out, and it rests at the anchor."""

    def step(weights: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        slope = gradient if mask is None else np.where(mask, gradient, np.float32(0))
        return proximal_step(weights, slope, anchor, learning_rate=rate, mu=mu)

    return step


def _check(interrupt: Interrupt) -> None:
    if reason := interrupt():
        raise Interrupted(reason)
