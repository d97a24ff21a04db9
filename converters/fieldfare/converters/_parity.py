"""Trains the plan and Keras side by side from the same weights on the same batches, and compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fieldfare.converters._checks import flat_layers
from fieldfare.converters._dropout import dropout_layers
from fieldfare.converters._training import Training, resolve_training
from fieldfare.core.errors import ModelError, WeightsError
from fieldfare.core.plans import Examples, Manifest, PlanRuntime
from fieldfare.core.weights import TensorSpec, split_vector

TOLERANCE = 1e-5
"""Largest relative difference that counts as equal: float32 sums in another order differ by about 1e-7 a step."""

_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Largest relative differences between plan and Keras.

    A weight's difference is `max|plan - keras| / max|keras|` over its elements, a loss's is `|plan - keras| / |keras|`.
    The divisor of a weight is at least a thousandth of the model's largest weight: where the true gradient is zero (the
    key's bias in attention), a weight that began at zero is nothing but rounding on both sides.

    Attributes:
        steps: training steps that were compared.
        losses: difference of the loss of each step.
        weights: name of each weight to its difference after the last step.
        outputs: difference of the predictions after the last step.
        tolerance: what is still equal.
    """

    steps: int
    losses: tuple[float, ...]
    weights: dict[str, float]
    outputs: float
    tolerance: float = TOLERANCE

    @property
    def worst(self) -> float:
        """The largest of all differences."""
        return float(np.max([*self.losses, *self.weights.values(), self.outputs]))

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
    steps: int = 5,
    batches: Sequence[Examples] | None = None,
    seed: int = 0,
    delegates: bool = True,
) -> ParityReport:
    """Compare training steps of a plan with Keras's own gradients, losses and optimiser.

    The reference shares no code with the export: eager `GradientTape`, Keras's loss object with its own reduction, and
    batches as short as they are, without weights. The model's weights are as before when the call returns.

    Args:
        model: the Keras model that the plan was exported from, with the weights it had then.
        plan: the plan, or its path.
        loss: as given to `export_keras`.
        optimizer: as given to `export_keras`.
        steps: number of steps; the last batch is a short one.
        batches: examples of each step by tensor name. Default: random ones, made to suit dtypes and loss.
        seed: of the random batches.
        delegates: False compares the plan without XNNPACK.

    Raises:
        ModelError: a loss or optimiser that Keras does not know, or a model with Dropout, whose masks differ.
        WeightsError: the model's weights are not the plan's.
    """
    if layers := dropout_layers(model):
        names = ", ".join(layer.name for layer in layers)
        raise ModelError(f"{names}: the plan draws other masks than Keras; export with rate 0 to compare")
    runtime = PlanRuntime(plan, delegates=delegates)
    manifest, problems = runtime.manifest, list[str]()
    training = resolve_training(
        model, loss=loss, metrics=(), optimizer=optimizer, learning_rate=manifest.learning_rate, problems=problems
    )
    if training is None:
        raise ModelError("parity cannot be checked:", tuple(problems))
    before = [variable.numpy() for variable in model.variables]
    start = np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])
    if not np.array_equal(start, runtime.get_weights()):
        raise WeightsError("the model's weights are not those of the plan: compare it with the model it was made from")
    chosen = batches or random_batches(model, manifest, steps=steps, seed=seed)
    try:
        return _compare(model, runtime, training, chosen)
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)


def random_batches(model: Any, manifest: Manifest, *, steps: int, seed: int) -> list[dict[str, NDArray[Any]]]:
    """Batches of random examples; the last one is short where the batch size allows it."""
    draw = np.random.default_rng(seed)
    tables = [layer.input_dim for layer in flat_layers(model) if isinstance(layer, keras.layers.Embedding)]
    sizes = [manifest.batch_size] * (steps - 1) + [max(1, manifest.batch_size // 3)]
    losses = manifest.loss.split("+")
    made = []
    for rows in sizes:
        batch = {spec.name: _input(spec, rows, min(tables, default=2), draw) for spec in manifest.input_specs}
        for index, one in enumerate(manifest.targets):
            classes = manifest.outputs[index].spec.shape[-1] if manifest.outputs[index].spec.shape else 1
            batch[one.spec.name] = _target(one.spec, rows, losses[index], classes, draw)
        made.append(batch)
    return made


def _input(spec: TensorSpec, rows: int, top: int, draw: np.random.Generator) -> NDArray[Any]:
    shape = (rows, *spec.shape)
    if spec.dtype == "float32":
        return draw.standard_normal(shape, np.float32)
    return draw.integers(0, 2 if spec.dtype == "bool" else top, shape).astype(spec.dtype)


def _target(spec: TensorSpec, rows: int, loss: str, classes: int, draw: np.random.Generator) -> NDArray[Any]:
    shape = (rows, *spec.shape)
    if spec.dtype == "int32":
        return draw.integers(0, classes, shape).astype(np.int32)
    if "categorical" in loss or "kl" in loss:
        raw = draw.random(shape, np.float32) + np.float32(0.01)
        return np.asarray(raw / raw.sum(-1, keepdims=True), np.float32)
    if "binary" in loss or "hinge" in loss:
        return draw.integers(0, 2, shape).astype(np.float32)
    if "poisson" in loss or "log" in loss or "percentage" in loss:
        return draw.random(shape, np.float32) + np.float32(0.5)
    return draw.standard_normal(shape, np.float32)


def _compare(model: Any, runtime: PlanRuntime, training: Training, batches: Sequence[Examples]) -> ParityReport:
    manifest, losses = runtime.manifest, []
    training.optimizer.build(model.trainable_variables)
    for batch in batches:
        mine = runtime.train_step(batch, learning_rate=manifest.learning_rate)
        theirs = _keras_step(model, training, batch)
        losses.append(abs(mine - theirs) / max(abs(theirs), 1e-12))
    tensors = split_vector(manifest.weight_specs, runtime.get_weights())
    pairs = zip(tensors.items(), model.trainable_variables, strict=True)
    floor = _FLOOR * max(float(np.abs(variable.numpy()).max()) for variable in model.trainable_variables)
    inputs = {spec.name: batches[0][spec.name] for spec in manifest.input_specs}
    predicted = runtime.infer(inputs)
    expected = keras.tree.flatten(_call(model, training, inputs, training_mode=False))
    outputs = [
        _relative(predicted[one.spec.name], np.asarray(value))
        for one, value in zip(manifest.outputs, expected, strict=True)
    ]
    weights = {name: _relative(tensor, variable.numpy(), floor) for (name, tensor), variable in pairs}
    return ParityReport(len(batches), tuple(losses), weights, max(outputs))


def _relative(mine: NDArray[Any], theirs: NDArray[Any], floor: float = 1e-12) -> float:
    return float(np.abs(mine - theirs).max() / max(float(np.abs(theirs).max()), floor, 1e-12))


def _call(model: Any, training: Training, batch: Examples, *, training_mode: bool) -> Any:
    flat = [tf.constant(batch[one.spec.name]) for one in training.inputs]
    structure = getattr(model, "_inputs_struct", None)
    packed = flat[0] if structure is None else keras.tree.pack_sequence_as(structure, flat)
    return model(packed, training=training_mode)


def _keras_step(model: Any, training: Training, batch: Examples) -> float:
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(_call(model, training, batch, training_mode=True))
        total = sum(model.losses, tf.constant(0.0))
        for target, term in zip(training.targets, training.losses, strict=True):
            wanted = tf.constant(batch[target.spec.name])
            # The mean over all elements, as every mean reduction of Keras without sample weights.
            total += term.factor * tf.reduce_mean(term.function(wanted, outputs[term.output]))
    slopes = tape.gradient(total, [one.value for one in model.trainable_variables])
    # Dense, as Keras has them on its other backends: on TensorFlow, the adaptive optimisers square the gradients of a
    # word's occurrences in a batch one by one instead of their sum.
    dense = [None if slope is None else tf.convert_to_tensor(slope) for slope in slopes]
    training.optimizer.apply(dense, model.trainable_variables)
    return float(total)
