"""Traces the signatures of a plan."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fieldfare.converters._keys import INFER_ONE
from fieldfare.converters.lowerings import Refusal, lowered_graph
from fieldfare.converters.lowerings.random import seeds_at_rest, step_phase
from fieldfare.converters.models import Selection, flat_layers, packed_inputs, unique_names
from fieldfare.converters.tracing._adaptations import BatchSums, inlined, unrolled, weighted_batch
from fieldfare.converters.tracing._blame import Owners, recorded_owners, refusal_problems, state_problems
from fieldfare.converters.training import Term, Training, starting_points, without_branches
from fieldfare.core.errors import ModelError
from fieldfare.core.plans import WEIGHT_SUM, PlanTensor, WeightRole
from fieldfare.core.weights import TensorSpec

_TINY = 1e-12
LOSS_WEIGHT = "loss_weight"
"""Key of the loss's weight in `evaluate` where it is not the examples' own."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The traced functions.

    Attributes:
        module: owns their variables.
        signatures: concrete functions by the signature's key.
        state: the optimiser's variables, as `get_state` gives them.
        loss_weight_key: key of the loss's weight among the outputs of `evaluate`.
        metric_weight_keys: that of each metric.
        owners: which layer made which operation.
        problems: sentences for layers that trace but would not train as Keras does.
    """

    module: Any
    signatures: dict[str, Any]
    state: tuple[PlanTensor, ...]
    loss_weight_key: str
    metric_weight_keys: tuple[str, ...]
    owners: Owners
    problems: tuple[str, ...]


def trace_signatures(
    model: Any, training: Training, selection: Selection, *, batch_size: int, gradients: bool
) -> Traced:
    """Trace every signature of the plan.

    Args:
        model: in functional form; only read.
        training: losses, metrics and the optimiser, which is built here.
        selection: the weights that travel; its context must be open.
        batch_size: the static batch.
        gradients: whether the signature `gradients` is wanted.

    Raises:
        ModelError: something that cannot be traced at all; names the layer. Everything else is among the problems.
    """
    training.optimizer.build(selection.trained)
    owners: Owners = {}
    tracer = _Tracer(model, training, selection, batch_size)
    # Every raw variable must be tracked, or the plan's initialisation would leave it out and the plan read garbage.
    module = tf.Module()
    adapters = [variable for one in selection.adapters for variable in (one.down, one.up)]
    module.kept = [variable.value for variable in (*model.variables, *adapters, *training.optimizer.variables)]
    with unrolled(model), inlined(), seeds_at_rest(), recorded_owners(model, owners):
        signatures = {
            "train": tracer.train(owners),
            "evaluate": tracer.evaluate(),
            "infer": tracer.infer(batch_size),
            INFER_ONE: tracer.infer(1),
        }
        if gradients:
            signatures["gradients"] = tracer.gradients()
    signatures |= {"get_weights": tracer.get_weights(), "set_weights": tracer.set_weights()}
    if tracer.state:
        signatures |= {"get_state": tracer.get_state(), "set_state": tracer.set_state()}
    given = signatures["evaluate"].structured_outputs
    return Traced(
        module=module,
        signatures=signatures,
        state=tracer.state,
        loss_weight_key=LOSS_WEIGHT if LOSS_WEIGHT in given else WEIGHT_SUM,
        metric_weight_keys=tuple(
            key if (key := _metric_weight(index)) in given else WEIGHT_SUM for index in range(len(training.metrics))
        ),
        owners=owners,
        problems=tuple(dict.fromkeys((*tracer.problems, *refusal_problems(tracer.refusals, owners)))),
    )


class _Tracer:
    def __init__(self, model: Any, training: Training, selection: Selection, batch_size: int) -> None:
        self._model, self._training, self._batch = model, training, batch_size
        self._weights = list(zip(selection.tensors, (one.variable for one in selection.weights), strict=True))
        self._trained = selection.trained
        self.problems: list[str] = []
        self.refusals: list[Refusal] = []
        named = optimizer_state(training.optimizer)
        self._optimizer_state = list(named.values())
        copies = starting_points(training.optimizer, selection.trained)
        self._copies = [(one, copies[id(one)]) for one in training.optimizer.variables if id(one) in copies]
        self._initial = [(one, one.numpy()) for one in training.optimizer.variables if id(one) not in copies]
        self.state = tuple(
            PlanTensor(TensorSpec(name, keras.backend.standardize_dtype(one.dtype), tuple(one.shape)), f"state_{index}")
            for index, (name, one) in enumerate(named.items())
        )

    def train(self, owners: Owners) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            optimizer = self._training.optimizer
            loss, slopes = self._differentiate(feeds)
            self.problems.extend(state_problems(tf.compat.v1.get_default_graph(), owners, self._model))
            optimizer.learning_rate = feeds["learning_rate"]
            with tf.control_dependencies([loss]), lowered_graph(training=True), without_branches(optimizer):
                optimizer.apply(slopes, self._trained)
            return {"loss": loss}

        return _traced(step, self._example_feeds() | {"learning_rate": tf.TensorSpec((), tf.float32)})

    def gradients(self) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            loss, slopes = self._differentiate(feeds)
            keys = [one.key for one, _ in self._weights if one.role is WeightRole.TRAINED]
            filled = [
                tf.zeros(variable.shape) if slope is None else slope
                for variable, slope in zip(self._trained, slopes, strict=True)
            ]
            return dict(zip(keys, filled, strict=True)) | {"loss": loss}

        return _traced(step, self._example_feeds())

    def evaluate(self) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            weight = feeds["example_weight"]
            with self._forward(feeds, training=False) as (outputs, extra):
                total = tf.reduce_sum(weight)
                sums = {WEIGHT_SUM: total}
                terms = self._training.losses
                parts = [self._sums("loss", term, feeds, outputs) for term in terms]
                if len(parts) == 1 and parts[0][1] is not None:
                    above, sums[LOSS_WEIGHT] = parts[0]
                    sums["loss_sum"] = terms[0].factor * above + sums[LOSS_WEIGHT] * extra
                else:
                    sums["loss_sum"] = total * (self._mean_loss(parts, total) + extra)
                for index, term in enumerate(self._training.metrics):
                    value, own = self._sums("metric", term, feeds, outputs)
                    sums[f"metric_{index}"] = value
                    if own is not None:
                        sums[_metric_weight(index)] = own
            return sums

        return _traced(step, self._example_feeds())

    def infer(self, batch: int) -> Any:
        def step(**feeds: Any) -> dict[str, Any]:
            with lowered_graph(training=False):
                outputs = self._call(feeds, training=False)
            return {one.key: tf.identity(value) for one, value in zip(self._training.outputs, outputs, strict=True)}

        return _traced(step, _specs(self._training.inputs, batch))

    def get_weights(self) -> Any:
        def read() -> dict[str, Any]:
            return {one.key: tf.identity(variable.value) for one, variable in self._weights}

        return _traced(read, {})

    def get_state(self) -> Any:
        def read() -> dict[str, Any]:
            pairs = zip(self.state, self._optimizer_state, strict=True)
            return {one.key: tf.identity(variable.value) for one, variable in pairs}

        return _traced(read, {})

    def set_state(self) -> Any:
        def write(**feeds: Any) -> dict[str, Any]:
            for one, variable in zip(self.state, self._optimizer_state, strict=True):
                variable.value.assign(feeds[one.key])
            return {"count": tf.constant(len(self.state), tf.int32)}

        return _traced(write, {one.key: tf.TensorSpec(one.spec.shape, one.spec.dtype) for one in self.state})

    def set_weights(self) -> Any:
        def write(**feeds: Any) -> dict[str, Any]:
            fed = {id(variable): feeds[one.key] for one, variable in self._weights}
            for _, variable in self._weights:
                variable.value.assign(fed[id(variable)])
            for variable, initial in self._initial:
                variable.value.assign(tf.fill(initial.shape, initial.flat[0]) if _constant(initial) else initial)
            for variable, weight in self._copies:
                variable.value.assign(fed[id(weight)])
            return {"count": tf.constant(len(self._weights), tf.int32)}

        return _traced(write, {one.key: tf.TensorSpec(one.spec.shape, tf.float32) for one, _ in self._weights})

    def _example_feeds(self) -> dict[str, Any]:
        both = (*self._training.inputs, *self._training.targets)
        return _specs(both, self._batch) | {"example_weight": tf.TensorSpec((self._batch,), tf.float32)}

    def _call(self, feeds: Mapping[str, Any], *, training: bool) -> list[Any]:
        packed = packed_inputs(self._model, [feeds[one.key] for one in self._training.inputs])
        return list(keras.tree.flatten(self._model(packed, training=training)))

    @contextmanager
    def _forward(self, feeds: Mapping[str, Any], *, training: bool) -> Iterator[tuple[list[Any], Any]]:
        """Outputs, and what is added to the mean loss: penalties of weights and activities."""
        batch = [feeds[one.key] for one in (*self._training.inputs, *self._training.targets)]
        phase = step_phase(self._training.optimizer._iterations.value, batch) if training else None
        with ExitStack() as stack:
            trained = [one.value for one in self._trained] if training else []
            lowered = lowered_graph(training=training, phase=phase, trained=trained, refusals=self.refusals)
            stack.enter_context(lowered)
            summed = stack.enter_context(weighted_batch(self._model, feeds["example_weight"]))
            outputs = self._call(feeds, training=training)
            extra = self._penalty() + self._added_losses(summed)
            self.problems.extend(summed.problems)
            yield outputs, extra

    def _differentiate(self, feeds: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """The weighted mean loss and its gradient for each trained variable, dense; None where there is none."""
        with self._forward(feeds, training=True) as (outputs, extra):
            parts = [self._sums("loss", term, feeds, outputs) for term in self._training.losses]
            loss = self._mean_loss(parts, tf.reduce_sum(feeds["example_weight"])) + extra
            slopes = tf.gradients(loss, [variable.value for variable in self._trained])
            return loss, [None if slope is None else tf.convert_to_tensor(slope) for slope in slopes]

    def _mean_loss(self, parts: Sequence[tuple[Any, Any]], total: Any) -> Any:
        """Sum over the losses of factor times weighted mean."""
        means = [
            term.factor * above / (total if below is None else tf.maximum(below, _TINY))
            for term, (above, below) in zip(self._training.losses, parts, strict=True)
        ]
        return sum(means[1:], means[0])

    def _sums(self, kind: str, term: Term, feeds: Mapping[str, Any], outputs: Sequence[Any]) -> tuple[Any, Any]:
        try:
            return term.sums(feeds[f"target_{term.output}"], outputs[term.output], feeds["example_weight"])
        except ModelError as error:
            self.problems.append(f"{kind} {term.name!r} {error}")
            # Something to differentiate, so that the trace goes on and finds what else is wrong.
            return 0.0 * tf.reduce_sum(outputs[term.output]), None

    def _added_losses(self, summed: BatchSums) -> Any:
        added = [one for layer in (self._model, *flat_layers(self._model)) for one in layer._get_own_losses()]
        if len(added) > summed.activity_losses:
            self.problems.append("a layer adds a loss with add_loss: write it as a loss of an output instead")
        return sum(added, tf.constant(0.0))

    def _penalty(self) -> Any:
        """The regularisation of the weights, as Keras adds it to the loss."""
        return sum((one.regularizer(one) for one in self._trained if one.regularizer is not None), tf.constant(0.0))


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """The variables of a built optimiser by the names that a plan gives them; without the rate, which calls bring.

    A name is the last part of Keras's path: before it stand the optimiser's own name, which Keras counts, and whatever
    name scopes were open when it was built. Keras counts too where an optimiser gives no name: "variable_3".
    """
    kept = [one for one in optimizer.variables if not one.path.endswith("learning_rate")]
    names = unique_names(re.sub(r"^variable_\d+$", "variable", str(one.path).rpartition("/")[2]) for one in kept)
    return dict(zip(names, kept, strict=True))


def _metric_weight(index: int) -> str:
    return f"metric_{index}_weight"


def _constant(array: np.ndarray[Any, Any]) -> bool:
    return bool((array == array.flat[0]).all())


def _specs(tensors: Sequence[PlanTensor], batch: int) -> dict[str, Any]:
    return {one.key: tf.TensorSpec((batch, *one.spec.shape), one.spec.dtype) for one in tensors}


def _traced(function: Any, specs: Mapping[str, Any]) -> Any:
    named = {key: tf.TensorSpec(spec.shape, spec.dtype, name=key) for key, spec in specs.items()}
    return tf.function(function, autograph=False).get_concrete_function(**named)
