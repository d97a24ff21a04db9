"""Trains the plan and Keras side by side from the same weights on the same batches, and compares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fieldfare.converters._batches import random_batches
from fieldfare.converters.lowerings.random import random_layers
from fieldfare.converters.models import Selection, functional_form, packed_inputs, selected, trainable_rules
from fieldfare.converters.tracing import optimizer_state
from fieldfare.converters.training import Training, compile_settings, resolve_training
from fieldfare.core.errors import ModelError, WeightsError
from fieldfare.core.metrics import LOSS, add_metrics, means
from fieldfare.core.plans import Examples, PlanRuntime, WeightRole
from fieldfare.core.weights import split_vector

TOLERANCE = 1e-5
"""Largest relative difference that counts as equal: float32 sums in another order differ by about 1e-7 a step."""

_FLOOR = 1e-3
_IDLE = 1e-6  # of the largest gradient: nothing but rounding
_SMALL = 1e-3  # of the largest gradient: rounding where the order of the examples changes a tenth of it
_NOISE = 0.1


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Largest relative differences between plan and Keras.

    A tensor's difference is `max|plan - keras| / max|keras|` over its elements, a number's `|plan - keras| / |keras|`.
    The divisor of a weight is at least a thousandth of the model's largest weight, that of a state tensor a thousandth
    of the largest of its kind, and that of a loss or metric at least 0.01: what is nearly zero is measured against what
    it is added to.

    Attributes:
        steps: training steps that were compared.
        losses: difference of the loss of each step.
        weights: name of each weight, statistics among them, to its difference after the last step.
        state: name of each of the optimiser's variables to its difference after the last step.
        evaluated: name of each metric, the loss among them, to its difference over all batches after the last step.
        outputs: difference of the predictions after the last step.
        idle: weights whose true gradient is zero (the bias of attention's keys), so that rounding is all that moves
            them; they and their state are compared with nothing.
        tolerance: what is still equal.
    """

    steps: int
    losses: tuple[float, ...]
    weights: dict[str, float]
    state: dict[str, float]
    evaluated: dict[str, float]
    outputs: float
    idle: tuple[str, ...] = ()
    tolerance: float = TOLERANCE

    @property
    def worst(self) -> float:
        """The largest of all differences."""
        several = (self.weights, self.state, self.evaluated)
        return float(np.max([*self.losses, self.outputs, *(one for part in several for one in part.values())]))

    @property
    def ok(self) -> bool:
        """Whether all differences are within the tolerance; NaN is not."""
        return self.worst <= self.tolerance


def check_parity(
    model: Any,
    plan: bytes | Path,
    *,
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    inputs: Any = None,
    steps: int = 5,
    batches: Sequence[Examples] | None = None,
    seed: int = 0,
    delegates: bool = True,
) -> ParityReport:
    """Compare training steps of a plan with Keras's own gradients, losses, metrics and optimiser.

    The reference shares no code with the export's formulas: Keras's compiled losses and metrics, an eager
    `GradientTape`, and batches as short as they are, without weights. The model is as before when the call returns.

    Args:
        model: the Keras model that the plan was exported from, with the weights it had then.
        plan: the plan, or its path.
        loss: as given to `export_keras`.
        optimizer: as given to `export_keras`.
        metrics: as given to `export_keras`.
        inputs: as given to `export_keras`.
        steps: number of steps; the last batch is a short one.
        batches: examples of each step by tensor name. Default: random ones, made to suit dtypes and loss.
        seed: of the random batches.
        delegates: False compares the plan without XNNPACK.

    Raises:
        ModelError: a loss, metric or optimiser that Keras does not know, other metrics than the plan's, a model with
            layers that draw random numbers, whose draws differ, or a plan with int8 weights.
        WeightsError: the model's weights are not the plan's.
    """
    runtime = PlanRuntime(plan, delegates=delegates)
    manifest, problems = runtime.manifest, list[str]()
    if manifest.frozen_int8:
        raise ModelError("the plan's frozen weights are int8 and Keras's are not: compare an export in float32")
    functional = functional_form(model, inputs, problems)
    if functional is None:
        raise ModelError("parity cannot be checked:", tuple(problems))
    if layers := random_layers(functional):
        raise ModelError(f"{', '.join(layers)}: the plan draws other numbers than Keras; export with rate 0 to compare")
    with selected(functional, trainable_rules(list(manifest.trainable) or None)) as selection:
        training = resolve_training(
            functional,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer,
            learning_rate=manifest.learning_rate,
            problems=problems,
            compiled=model,
        )
        if training is None:
            raise ModelError("parity cannot be checked:", tuple(problems))
        before = [(one, one.numpy()) for one in (*functional.variables, *(one.variable for one in selection.weights))]
        start = np.concatenate([one.variable.numpy().ravel() for one in selection.weights])
        if not np.array_equal(start, runtime.get_weights()):
            raise WeightsError(
                "the model's weights are not those of the plan: compare it with the model it was made from"
            )
        chosen = batches or random_batches(functional, manifest, steps=steps, seed=seed)
        source = compile_settings(model)
        wanted = {
            "loss": loss if loss is not None else getattr(model, "loss", None),
            "metrics": metrics if metrics is not None else source.get("metrics"),
            "loss_weights": source.get("loss_weights") if loss is None else None,
        }
        try:
            return _compare(runtime, _Reference(functional, training, selection, wanted), chosen)
        finally:
            for variable, value in before:
                variable.assign(value)


@dataclass
class _Reference:
    """Keras's own training of the model: what the plan is compared with."""

    model: Any
    training: Training
    selection: Selection
    compiled: Mapping[str, Any]
    moved: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Another model around the same layers: what the user compiled stays as it is.
        structure = getattr(self.model, "_outputs_struct", None)
        outputs = self.model.outputs[0] if structure is None else structure
        self.keras = keras.Model(packed_inputs(self.model, self.model.inputs), outputs)
        self.keras.compile(self.training.optimizer, run_eagerly=True, **self.compiled)
        self.training.optimizer.build(self.selection.trained)

    def step(self, batch: Examples) -> float:
        turned = self._turned(batch) if self.idle else None
        total, slopes = self._differentiate(batch)
        if turned is not None:
            self._note_what_moves(slopes, turned)
        self.training.optimizer.apply(slopes, self.selection.trained)
        return float(total)

    def _differentiate(self, batch: Examples) -> tuple[Any, list[Any]]:
        variables = self.selection.trained
        with tf.GradientTape() as tape:
            predicted = self.keras(self._inputs(batch), training=True)
            total = self.keras.compute_loss(y=self._targets(batch), y_pred=predicted, training=True)
            extra = [one.regularizer(one) for one in variables if one.regularizer is not None]
            # Keras adds the penalty of every weight whose `trainable` flag is set; here, those that train.
            total += sum(extra, tf.constant(0.0)) - sum(self._penalties(), tf.constant(0.0))
        slopes = tape.gradient(total, [one.value for one in variables])
        # Dense, as Keras has them on its other backends: on TensorFlow, the adaptive optimisers square the gradients of
        # a word's occurrences in a batch one by one instead of their sum.
        return total, [None if one is None else tf.convert_to_tensor(one) for one in slopes]

    def _turned(self, batch: Examples) -> list[Any]:
        """The gradients of the same examples in another order; nothing else changes."""
        before = [(one, one.numpy()) for one in self.model.non_trainable_variables]
        _, slopes = self._differentiate({name: array[::-1] for name, array in batch.items()})
        for variable, value in before:
            variable.assign(value)
        return slopes

    def _note_what_moves(self, slopes: Sequence[Any], turned: Sequence[Any]) -> None:
        """Tell gradients from rounding: rounding is another one when the examples come in another order."""
        sizes = [0.0 if one is None else float(tf.reduce_max(tf.abs(one))) for one in slopes]
        for index, (one, other, size) in enumerate(zip(slopes, turned, sizes, strict=True)):
            if size <= _IDLE * max(sizes):
                continue
            noise = float(tf.reduce_max(tf.abs(one - other)))
            if size > _SMALL * max(sizes) or noise <= _NOISE * size:
                self.moved.add(index)

    def take(self, weights: Mapping[str, NDArray[Any]], names: Sequence[str]) -> None:
        """Set the weights of these names."""
        for one in self.selection.weights:
            if one.name in names:
                one.variable.assign(weights[one.name])

    def evaluate(self, batches: Sequence[Examples]) -> tuple[list[float], dict[str, float]]:
        """The loss of each batch, and the metrics over all examples by Keras's names for them."""
        self.keras.reset_metrics()
        losses = []
        for batch in batches:
            inputs, targets = self._inputs(batch), self._targets(batch)
            predicted = self.keras(inputs, training=False)
            losses.append(float(self.keras.compute_loss(y=targets, y_pred=predicted, training=False)))
            self.keras.compute_metrics(inputs, targets, predicted)
        return losses, {name: float(np.asarray(value)) for name, value in self.keras.get_metrics_result().items()}

    def predict(self, batch: Examples) -> list[NDArray[Any]]:
        return [np.asarray(one) for one in keras.tree.flatten(self.keras(self._inputs(batch), training=False))]

    @property
    def idle(self) -> tuple[str, ...]:
        """Names of the weights that only rounding has moved so far."""
        trained = [one for one in self.selection.weights if one.role is WeightRole.TRAINED]
        return tuple(one.name for index, one in enumerate(trained) if index not in self.moved)

    def _penalties(self) -> list[Any]:
        return list(self.keras._get_regularization_losses())

    def _inputs(self, batch: Examples) -> Any:
        return packed_inputs(self.model, [tf.constant(batch[one.spec.name]) for one in self.training.inputs])

    def _targets(self, batch: Examples) -> Any:
        flat = [tf.constant(batch[one.spec.name]) for one in self.training.targets]
        structure = getattr(self.model, "_outputs_struct", None)
        return flat[0] if structure is None else keras.tree.pack_sequence_as(structure, flat)


def _compare(runtime: PlanRuntime, reference: _Reference, batches: Sequence[Examples]) -> ParityReport:
    manifest, losses, idle = runtime.manifest, [], tuple[str, ...]()
    for batch in batches:
        mine = runtime.train_step(batch, learning_rate=manifest.learning_rate)
        losses.append(_relative(mine, reference.step(batch), 0.01))
        # What rounding alone moves, moves on by itself: in both alike from here on.
        idle = reference.idle
        reference.take(split_vector(manifest.weight_specs, runtime.get_weights()), idle)
    inputs = {spec.name: batches[0][spec.name] for spec in manifest.input_specs}
    predicted = runtime.infer(inputs)
    outputs = [
        _relative(predicted[one.spec.name], theirs)
        for one, theirs in zip(manifest.outputs, reference.predict(inputs), strict=True)
    ]
    return ParityReport(
        steps=len(batches),
        losses=tuple(losses),
        weights=_weights(runtime, reference, idle),
        state=_state(runtime, reference, idle),
        evaluated=_evaluated(runtime, reference, batches),
        outputs=max(outputs),
        idle=idle,
    )


def _weights(runtime: PlanRuntime, reference: _Reference, idle: Sequence[str]) -> dict[str, float]:
    mine = split_vector(runtime.manifest.weight_specs, runtime.get_weights())
    theirs = {one.name: one.variable.numpy() for one in reference.selection.weights}
    floor = _FLOOR * max(float(np.abs(one).max()) for one in theirs.values())
    return {name: _relative(mine[name], theirs[name], floor) for name in mine if name not in idle}


def _state(runtime: PlanRuntime, reference: _Reference, idle: Sequence[str]) -> dict[str, float]:
    theirs = {name: one.numpy() for name, one in optimizer_state(reference.training.optimizer).items()}
    kinds: dict[str, float] = {}
    # "dense_kernel_velocity": the kind is the last word.
    for path, value in theirs.items():
        kind = path.rpartition("_")[2]
        kinds[kind] = max(kinds.get(kind, 0.0), float(np.abs(value).max()))
    unmoved = [name.replace("/", "_") for name in idle]
    mine = runtime.get_state()
    # Another optimiser has other variables.
    alone = dict.fromkeys(set(mine) ^ set(theirs), math.inf)
    return alone | {
        name: _relative(value, theirs[name], _FLOOR * kinds[name.rpartition("_")[2]])
        for name, value in mine.items()
        if name in theirs and not any(one in name for one in unmoved)
    }


def _evaluated(runtime: PlanRuntime, reference: _Reference, batches: Sequence[Examples]) -> dict[str, float]:
    sums = [runtime.evaluate_step(one) for one in batches]
    mine, (expected, theirs) = means(add_metrics(sums)), reference.evaluate(batches)
    parts = [name for name in theirs if name.endswith("_loss")] if len(reference.training.outputs) > 1 else []
    values = {name: value for name, value in theirs.items() if name not in {LOSS, *parts}}
    names = [name for name in runtime.manifest.metric_names if name != LOSS]
    if len(names) != len(values):
        raise ModelError(f"the plan has the metrics {', '.join(names)}: give the same to compare them")
    # By name, in whichever order a version of Keras has them; what it calls otherwise ("acc", "Precision") by place.
    places = iter([name for name in values if name not in names])
    calls = {name: name if name in values else next(places) for name in names}
    # Batch by batch: over several, Keras weights a masked loss by examples, not by what the mask leaves of them.
    losses = [_relative(one[LOSS].mean, loss, 0.01) for one, loss in zip(sums, expected, strict=True)]
    # A ratio that nothing was counted for is left out of the sums; Keras calls it zero.
    metrics = {name: _relative(mine.get(name, 0.0), values[call], 0.01) for name, call in calls.items()}
    return {LOSS: max(losses)} | metrics


def _relative(mine: Any, theirs: Any, floor: float = 0.0) -> float:
    scale = max(float(np.abs(theirs).max()), floor, 1e-12)
    return float(np.abs(np.asarray(mine, np.float64) - np.asarray(theirs, np.float64)).max() / scale)
