"""Traces the signatures of a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fieldfare.converters._blame import Owners, recorded_owners, state_problems
from fieldfare.converters._dropout import replayable_dropout
from fieldfare.converters._keys import INFER_ONE
from fieldfare.converters._training import PerExample, Training
from fieldfare.converters.lowerings import lowered_graph
from fieldfare.core.plans import PlanTensor


@dataclass(frozen=True, slots=True)
class Traced:
    """The traced functions.

    Attributes:
        module: owns their variables.
        signatures: concrete functions by the signature's key.
        owners: which layer made which operation.
        problems: sentences for layers that trace but would not train as Keras does.
    """

    module: Any
    signatures: dict[str, Any]
    owners: Owners
    problems: tuple[str, ...]


def trace_signatures(
    model: Any, training: Training, weights: Sequence[PlanTensor], *, batch_size: int, gradients: bool
) -> Traced:
    """Trace every signature of the plan.

    Args:
        model: the built Keras model; only read.
        training: losses, metrics and the optimiser, which is built here.
        weights: key of each trainable variable, in the model's order.
        batch_size: the static batch.
        gradients: whether the signature `gradients` is wanted.

    Raises:
        ValueError: an operation whose lowering does not take its attributes.
    """
    training.optimizer.build(model.trainable_variables)
    tracer = _Tracer(model, training, tuple(weights), batch_size)
    # Every raw variable must be tracked, or the plan's initialisation would leave it out and the plan read garbage.
    module = tf.Module()
    module.kept = [variable.value for variable in (*model.variables, *training.optimizer.variables)]
    owners: Owners = {}
    with recorded_owners(model, owners):
        signatures = {
            "train": tracer.train(owners),
            "evaluate": tracer.evaluate(),
            "infer": tracer.infer(batch_size),
            INFER_ONE: tracer.infer(1),
        }
    if gradients:
        signatures["gradients"] = tracer.gradients()
    signatures |= {"get_weights": tracer.get_weights(), "set_weights": tracer.set_weights()}
    return Traced(module, signatures, owners, tuple(dict.fromkeys(tracer.problems)))


def per_example(function: PerExample, targets: Any, outputs: Any) -> Any:
    """`(batch,)` float32: the function's values, averaged over all axes but the first."""
    values = tf.cast(function(targets, outputs), tf.float32)
    return values if len(values.shape) == 1 else tf.reduce_mean(tf.reshape(values, [values.shape[0], -1]), axis=1)


class _Tracer:
    def __init__(self, model: Any, training: Training, weights: tuple[PlanTensor, ...], batch_size: int) -> None:
        self._model, self._training, self._weights, self._batch = model, training, weights, batch_size
        self.problems: list[str] = []
        self._initial = [(one, one.numpy()) for one in training.optimizer.variables]

    def train(self, owners: Owners) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            optimizer = self._training.optimizer
            loss, slopes = self._differentiate(feeds)
            self.problems.extend(state_problems(tf.compat.v1.get_default_graph(), owners))
            optimizer.learning_rate = feeds["learning_rate"]
            with tf.control_dependencies([loss]):
                optimizer.apply(slopes, self._model.trainable_variables)
            return {"loss": loss}

        return _traced(step, self._example_feeds() | {"learning_rate": tf.TensorSpec((), tf.float32)})

    def gradients(self) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            loss, slopes = self._differentiate(feeds)
            filled = [
                tf.zeros(one.spec.shape) if slope is None else slope
                for one, slope in zip(self._weights, slopes, strict=True)
            ]
            return {one.key: slope for one, slope in zip(self._weights, filled, strict=True)} | {"loss": loss}

        return _traced(step, self._example_feeds())

    def evaluate(self) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            outputs = self._call(feeds, training=False)
            weight = feeds["example_weight"]
            total = tf.reduce_sum(weight)
            sums = {"weight_sum": total, "loss_sum": self._weighted_loss(feeds, outputs) + total * self._penalty()}
            for index, term in enumerate(self._training.metrics):
                values = per_example(term.function, feeds[f"target_{term.output}"], outputs[term.output])
                sums[f"metric_{index}"] = tf.reduce_sum(weight * values)
            return sums

        return _traced(step, self._example_feeds())

    def infer(self, batch: int) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            outputs = self._call(feeds, training=False)
            return {one.key: tf.identity(value) for one, value in zip(self._training.outputs, outputs, strict=True)}

        return _traced(step, _specs(self._training.inputs, batch))

    def get_weights(self) -> Any:
        def read() -> dict[str, Any]:
            pairs = zip(self._weights, self._model.trainable_variables, strict=True)
            return {one.key: tf.identity(variable.value) for one, variable in pairs}

        return _traced(read, {})

    def set_weights(self) -> Any:
        def write(**feeds: Any) -> dict[str, Any]:
            for one, variable in zip(self._weights, self._model.trainable_variables, strict=True):
                variable.value.assign(feeds[one.key])
            for variable, initial in self._initial:
                variable.value.assign(tf.fill(initial.shape, initial.flat[0]) if _constant(initial) else initial)
            return {"count": tf.constant(len(self._weights), tf.int32)}

        return _traced(write, {one.key: tf.TensorSpec(one.spec.shape, tf.float32) for one in self._weights})

    def _example_feeds(self) -> dict[str, Any]:
        both = (*self._training.inputs, *self._training.targets)
        return _specs(both, self._batch) | {"example_weight": tf.TensorSpec((self._batch,), tf.float32)}

    def _call(self, feeds: Mapping[str, Any], *, training: bool) -> list[Any]:
        flat = [feeds[one.key] for one in self._training.inputs]
        # Functional models keep the structure (list, dict) in which they take their inputs; sequential ones have one.
        structure = getattr(self._model, "_inputs_struct", None)
        packed = flat[0] if structure is None else keras.tree.pack_sequence_as(structure, flat)
        return list(keras.tree.flatten(self._model(packed, training=training)))

    def _differentiate(self, feeds: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """The weighted mean loss and its gradient for each trainable variable, dense; None where there is none."""
        with lowered_graph(training=True), replayable_dropout(self._model, self._training.optimizer.iterations.value):
            outputs = self._call(feeds, training=True)
            self._check_call(outputs)
            mean = self._weighted_loss(feeds, outputs) / tf.reduce_sum(feeds["example_weight"])
            loss = mean + self._penalty()
            slopes = tf.gradients(loss, [variable.value for variable in self._model.trainable_variables])
            return loss, [None if slope is None else tf.convert_to_tensor(slope) for slope in slopes]

    def _check_call(self, outputs: Sequence[Any]) -> None:
        for one, output in zip(self._training.outputs, outputs, strict=True):
            if getattr(output, "_keras_mask", None) is not None:
                self.problems.append(
                    f"output {one.spec.name!r} has a mask, which would change the weight of each example: "
                    "pool over time before the output, or pass mask_zero=False"
                )
        if len(self._model.losses) > sum(one.regularizer is not None for one in self._model.trainable_variables):
            self.problems.append("a layer adds a loss with add_loss: write it as a loss of an output instead")

    def _weighted_loss(self, feeds: Mapping[str, Any], outputs: Sequence[Any]) -> Any:
        total = tf.constant(0.0)
        for index, term in enumerate(self._training.losses):
            values = per_example(term.function, feeds[f"target_{index}"], outputs[term.output])
            total += term.factor * tf.reduce_sum(feeds["example_weight"] * values)
        return total

    def _penalty(self) -> Any:
        """The regularisation of the weights, as Keras adds it to the loss."""
        variables = self._model.trainable_variables
        return sum((one.regularizer(one) for one in variables if one.regularizer is not None), tf.constant(0.0))


def _constant(array: np.ndarray[Any, Any]) -> bool:
    return bool((array == array.flat[0]).all())


def _specs(tensors: Sequence[PlanTensor], batch: int) -> dict[str, Any]:
    return {one.key: tf.TensorSpec((batch, *one.spec.shape), one.spec.dtype) for one in tensors}


def _traced(function: Any, specs: Mapping[str, Any]) -> Any:
    named = {key: tf.TensorSpec(spec.shape, spec.dtype, name=key) for key, spec in specs.items()}
    return tf.function(function, autograph=False).get_concrete_function(**named)
