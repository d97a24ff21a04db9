"""One assignment's work, from the cached artifacts to a `WorkResult`: nothing that goes wrong here is sent in words."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.aggregation import check_norm
from fieldfare.core.errors import DataError, PlanError, StorageError, UpdateError, WeightsError
from fieldfare.core.local_steps import CONTROL, ControlVariates
from fieldfare.core.metrics import AFTER, BEFORE, LOSS, MetricSum
from fieldfare.core.plans import Examples, Manifest, count_rows, take_rows
from fieldfare.core.sessions import Assignment, WorkResult
from fieldfare.core.tasks import Algorithm, Interruption, LocalTrainingSpec, NextRound
from fieldfare.core.weights import TensorSpec, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training._limits import NO_LIMITS, Limits, check_memory, time_limit
from fieldfare.sdk.training._rest import Rest, Rested, Resting
from fieldfare.sdk.training._trainer import Interrupt, Interrupted, LocalTrainer, Trained

ReadWeights = Callable[[Path], tuple[tuple[TensorSpec, ...], NDArray[np.float32]]]


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


def read_weights(path: Path) -> tuple[tuple[TensorSpec, ...], NDArray[np.float32]]:
    """Read a checkpoint.

    Returns:
        Its tensors, and their values one after the other, which cannot be written to.

    Raises:
        StorageError: it cannot be read.
        WeightsError: it is damaged.
    """
    try:
        return unpack_weights(path.read_bytes())
    except OSError as error:
        raise StorageError(f"the checkpoint cannot be read: {error.strerror}") from error


def _zeros(size: int) -> NDArray[np.float32]:
    return np.zeros(size, np.float32)


def do_work(
    job: Job,
    trainer: LocalTrainer,
    source: ExampleSource,
    *,
    rng: "np.random.Generator",
    interrupt: Interrupt,
    on_loaded: Callable[[Manifest], None] | None = None,
    own_control: Callable[[int], NDArray[np.float32]] = _zeros,
    read: ReadWeights = read_weights,
    limits: Limits = NO_LIMITS,
    measure: bool = False,
    clock: Callable[[], float] = time.monotonic,
    rest: Rest | None = None,
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
        read: reads the checkpoint.
        limits: what the app lets the work take.
        measure: evaluate held-out examples before and after training, also where the task does not ask for it; the
            result then holds that as `own_metrics`.
        clock: seconds that pass, from any beginning.
        rest: where training may rest whose task wants it to be taken up again; what rests there of this very work is
            taken up here.

    Raises:
        Resting: training was interrupted, and rests.
    """
    try:
        check_memory(job.plan, limits)
        manifest = trainer.load(job.plan, job.assignment.plan.hex)
        vector = _checkpoint(job, manifest, read)
        if on_loaded is not None:
            on_loaded(manifest)
        if manifest.example_specs != source.specs:
            return _failed(f"the plan needs examples of {_words(manifest)}, and the store holds others")
        if job.assignment.kind is NextRound.EVALUATION:
            return _evaluate(job.assignment, trainer, vector, source, interrupt)
        local = limits.bounded(job.assignment.local)
        if local.batch_size > manifest.batch_size:
            return _failed(
                f"the task asks for steps of {local.batch_size} examples, the plan takes {manifest.batch_size}"
            )
        control = None
        if job.assignment.algorithm is Algorithm.SCAFFOLD:
            control = _control_variates(own_control(vector.size), job)
        training = _Training(
            job.assignment, local, trainer, vector, source, interrupt, measure=measure, control=control, clock=clock
        )
        resumes = local.interruption is Interruption.RESUME
        return training.result(rng, limits.seconds(local), rest if resumes else None)
    except Interrupted as reason:
        return WorkResult(aggregator_pb2.OUTCOME_CONDITIONS, detail=str(reason))
    except (PlanError, WeightsError, DataError, StorageError, UpdateError) as error:
        return _failed(str(error))


def _checkpoint(job: Job, manifest: Manifest, read: ReadWeights) -> NDArray[np.float32]:
    specs, vector = read(job.checkpoint)
    if specs != manifest.weight_specs:
        raise WeightsError("the checkpoint does not have the weights of the plan")
    return vector


def _control_variates(own: NDArray[np.float32], job: Job) -> ControlVariates:
    """The two that correct the device's steps; none of them before its first report is counted.

    Karimireddy et al. 2020, algorithm 1, has as many zeros in c as there are devices that have not reported, so that
    the corrections `c - c_i` of all devices add up to nothing. Here c is the mean over those that have: one that has
    not would follow everybody's gradient beside its own. Its variate becomes `(x - y) / (K eta)`, which is what it
    adds to the sum.
    """
    server = _server_control(job, own.size)
    # Safe: zeros of a device that was counted are a mean of gradients that was zero, and a correction matters little.
    return ControlVariates(own, server if own.any() else _zeros(own.size))


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


@dataclass(frozen=True, slots=True)
class _Training:
    """Training for one assignment, and what is measured around it."""

    assignment: Assignment
    local: LocalTrainingSpec
    trainer: LocalTrainer
    checkpoint: NDArray[np.float32]
    source: ExampleSource
    interrupt: Interrupt
    measure: bool
    control: ControlVariates | None
    clock: Callable[[], float]

    def result(self, rng: "np.random.Generator", seconds: float | None, rest: Rest | None) -> WorkResult:
        """Measure, train, and measure again, where that is asked for; go on from where it rests, and let it rest."""
        examples = self.source.training(self.local.max_examples)
        rested = None if rest is None else rest.take(self.assignment, self.local, examples)
        if rested is not None:
            examples = take_rows(examples, slice(0, rested.rows))
        rows, least = count_rows(examples), self.local.min_examples
        if rows < least:
            return _too_few(f"{rows} examples, and the task needs {least}")
        so_far = rested or Rested(rows)
        begun, kept = self.clock(), True
        try:
            held_out = self._held_out()
            before = {} if held_out is None else self._measured(BEFORE, self.checkpoint, held_out)
            try:
                done = so_far.trained or self._train(examples, so_far, rng, seconds)
            except Interrupted as reason:
                kept = reason.progress is not None
                so_far = Rested(rows, so_far.spent_s + self.clock() - begun, reason.progress)
                raise
            so_far = Rested(rows, trained=done)
            return self._reported(done, before, held_out)
        except Interrupted as reason:
            if rest is None or not kept or rest.left() <= timedelta(0):
                raise
            rest.keep(so_far, self.assignment, self.local, examples)
            raise Resting(str(reason)) from reason

    def _train(self, examples: Examples, so_far: Rested, rng: "np.random.Generator", seconds: float | None) -> Trained:
        return self.trainer.train(
            self.checkpoint,
            examples,
            local=self.local,
            algorithm=self.assignment.algorithm,
            rng=rng,
            interrupt=self.interrupt,
            enough=time_limit(None if seconds is None else seconds - so_far.spent_s, self.clock),
            control=self.control,
            progress=so_far.progress,
        )

    def _reported(self, done: Trained, before: dict[str, MetricSum], held_out: Examples | None) -> WorkResult:
        if problem := _unfit(done, self.assignment):
            return _failed(problem)
        around = before
        if held_out is not None:
            around = before | self._measured(AFTER, self.checkpoint + done.vector[: self.checkpoint.size], held_out)
        metrics = {LOSS: MetricSum(done.loss * done.example_count, done.example_count)}
        sent, kept = (around, None) if self.local.local_metrics else ({}, around or None)
        return WorkResult(
            aggregator_pb2.OUTCOME_DONE, done.example_count, metrics | sent, done.vector, own_metrics=kept
        )

    def _held_out(self) -> Examples | None:
        """Those to measure with; None where nothing is asked for, or too few are there."""
        asked = self.local.local_metrics or self.measure
        # A gradient is no step: there is no after.
        if not asked or self.assignment.algorithm is Algorithm.DSGD:
            return None
        examples = _newest(self.source.held_out(), self.local.max_examples)
        return examples if count_rows(examples) >= self.local.min_evaluation_examples else None

    def _measured(self, prefix: str, weights: NDArray[np.float32], examples: Examples) -> dict[str, MetricSum]:
        metrics = self.trainer.evaluate(weights, examples, interrupt=self.interrupt)
        # A loss may be infinite on an example that was never trained on: that is no reason to lose the update.
        return {prefix + name: one for name, one in metrics.items() if math.isfinite(one.sum)}


def _unfit(done: Trained, assignment: Assignment) -> str:
    """Why the update is not sent, in words; empty where it can be."""
    # Safe: NaN is the minimum and the maximum of what holds it.
    largest = max(float(done.vector.max(initial=0.0)), -float(done.vector.min(initial=0.0)))
    if not math.isfinite(largest):
        return "the update holds NaN or infinite values: the learning rate may be too high"
    if largest > assignment.max_abs_value:
        return f"the update holds a value of magnitude {largest:g}, beyond {assignment.max_abs_value:g}: it is not sent"
    check_norm(done.vector, assignment.max_norm, parts=assignment.algorithm.vectors)
    return ""


def _newest(examples: Examples, limit: int) -> Examples:
    rows = count_rows(examples)
    return examples if rows <= limit else take_rows(examples, slice(rows - limit, rows))


def _evaluate(
    assignment: Assignment,
    trainer: LocalTrainer,
    checkpoint: NDArray[np.float32],
    source: ExampleSource,
    interrupt: Interrupt,
) -> WorkResult:
    # Safe: no report may stand for more examples than that.
    examples = _newest(source.held_out(), assignment.local.max_examples)
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
