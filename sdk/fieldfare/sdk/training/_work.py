"""One assignment's work, from the cached artifacts to a `WorkResult`: nothing that goes wrong here is sent in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation import check_norm
from fieldfare.core.errors import DataError, PlanError, StorageError, UpdateError, WeightsError
from fieldfare.core.local_steps import ControlVariates
from fieldfare.core.metrics import LOSS, MetricSum
from fieldfare.core.plans import Manifest, count_rows
from fieldfare.core.server_optimizers import CONTROL
from fieldfare.core.sessions import Assignment, WorkResult
from fieldfare.core.tasks import Algorithm, NextRound
from fieldfare.core.weights import TensorSpec, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training._trainer import Interrupt, Interrupted, LocalTrainer


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        assignment: kind, algorithm and settings.
        plan: the plan's file.
        checkpoint: the weights file.
        control: SCAFFOLD: the file with the server's control variate; None while that is zero.
    """

    assignment: Assignment
    plan: Path
    checkpoint: Path
    control: Path | None = None


def _zeros(size: int) -> NDArray[np.float32]:
    return np.zeros(size, np.float32)


def do_work(
    job: Job,
    trainer: LocalTrainer,
    source: ExampleSource,
    *,
    rng: np.random.Generator,
    interrupt: Interrupt,
    on_loaded: Callable[[Manifest], None] | None = None,
    own_control: Callable[[int], NDArray[np.float32]] = _zeros,
) -> WorkResult:
    """Train or evaluate; every failure of plan, weights or examples becomes the result's outcome and detail.

    Args:
        job: the assignment and its two files, whose digests have been checked.
        trainer: runs the plan.
        source: this device's examples.
        rng: shuffles.
        interrupt: asked between steps.
        on_loaded: called once plan and checkpoint are loaded and fit together, before any training.
        own_control: SCAFFOLD: the device's control variate of so many values; zeros where it has none yet.
    """
    try:
        manifest = trainer.load(job.plan, job.assignment.plan.hex)
        vector = _checkpoint(job, manifest)
        if on_loaded is not None:
            on_loaded(manifest)
        if manifest.example_specs != source.specs:
            return _failed(f"the plan needs examples of {_words(manifest)}, and the store holds others")
        if job.assignment.kind is NextRound.EVALUATION:
            return _evaluate(job.assignment, trainer, vector, source, interrupt)
        control = None
        if job.assignment.algorithm is Algorithm.SCAFFOLD:
            control = ControlVariates(own_control(vector.size), _server_control(job, vector.size))
        return _train(job.assignment, trainer, vector, source, rng, interrupt, control)
    except Interrupted as reason:
        return WorkResult(aggregator_pb2.OUTCOME_CONDITIONS, detail=str(reason))
    except (PlanError, WeightsError, DataError, StorageError, UpdateError) as error:
        return _failed(str(error))


def _checkpoint(job: Job, manifest: Manifest) -> NDArray[np.float32]:
    try:
        specs, vector = unpack_weights(job.checkpoint.read_bytes())
    except OSError as error:
        raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error
    if specs != manifest.weight_specs:
        raise WeightsError("the checkpoint does not have the weights of the plan")
    return vector


def _server_control(job: Job, size: int) -> NDArray[np.float32]:
    if job.control is None:
        return _zeros(size)
    try:
        specs, vector = unpack_weights(job.control.read_bytes())
    except OSError as error:
        raise StorageError(f"the control variate cannot be read: {error.strerror}") from error
    if specs != (TensorSpec(CONTROL, "float32", (size,)),):
        raise WeightsError("the server's control variate is not one of the plan's weights")
    return vector


def _train(
    assignment: Assignment,
    trainer: LocalTrainer,
    checkpoint: NDArray[np.float32],
    source: ExampleSource,
    rng: np.random.Generator,
    interrupt: Interrupt,
    control: ControlVariates | None,
) -> WorkResult:
    local = assignment.local
    examples = source.training(local.max_examples)
    if count_rows(examples) < local.min_examples:
        return _too_few(f"{count_rows(examples)} examples, and the task needs {local.min_examples}")
    algorithm = assignment.algorithm
    done = trainer.train(
        checkpoint, examples, local=local, algorithm=algorithm, rng=rng, interrupt=interrupt, control=control
    )
    # Safe: NaN is the minimum and the maximum of what holds it.
    largest = max(float(done.vector.max(initial=0.0)), -float(done.vector.min(initial=0.0)))
    if not math.isfinite(largest):
        return _failed("the update holds NaN or infinite values: the learning rate may be too high")
    if largest > assignment.max_abs_value:
        limit = assignment.max_abs_value
        return _failed(f"the update holds a value of magnitude {largest:g}, beyond {limit:g}: it is not sent")
    check_norm(done.vector, assignment.max_norm, parts=algorithm.vectors)
    metrics = {LOSS: MetricSum(done.loss * done.example_count, done.example_count)}
    return WorkResult(aggregator_pb2.OUTCOME_DONE, done.example_count, metrics, done.vector)


def _evaluate(
    assignment: Assignment,
    trainer: LocalTrainer,
    checkpoint: NDArray[np.float32],
    source: ExampleSource,
    interrupt: Interrupt,
) -> WorkResult:
    examples = source.held_out()
    rows, least = count_rows(examples), assignment.local.min_evaluation_examples
    # Safe: never below 1, so that there is something to evaluate.
    if rows < least:
        return _too_few(f"{rows} examples are held out, and the task needs {least} to evaluate")
    metrics = trainer.evaluate(checkpoint, examples, interrupt=interrupt)
    if bad := sorted(name for name, one in metrics.items() if not math.isfinite(one.sum)):
        return _failed(f"not finite over the held-out examples: {', '.join(bad)}")
    return WorkResult(aggregator_pb2.OUTCOME_DONE, rows, metrics)


def _failed(detail: str) -> WorkResult:
    return WorkResult(aggregator_pb2.OUTCOME_FAILED, detail=detail)


def _too_few(detail: str) -> WorkResult:
    return WorkResult(aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES, detail=detail)


def _words(manifest: Manifest) -> str:
    return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in manifest.example_specs)
