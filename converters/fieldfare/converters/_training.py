"""Turns Keras's words for loss, metrics and optimiser into per-example functions and a fresh optimiser."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from fieldfare.core.errors import WeightsError
from fieldfare.core.plans import PlanTensor
from fieldfare.core.weights import TensorSpec

PerExample = Callable[[Any, Any], Any]
"""`(targets, outputs)` of a batch to values whose first axis is the batch."""

_AUTOMATIC_NAME = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?")
_MEAN_REDUCTIONS = {"sum_over_batch_size", "mean", "mean_with_sample_weight", "auto"}
_LOSS_HELP = "give a name of keras.losses, or a function (y_true, y_pred) that yields one value for each example"
_METRIC_HELP = "use one that is a mean over examples (accuracy, binary_accuracy, mae, ...), or a function"
_ACCURACY = {"accuracy", "acc"}


@dataclass(frozen=True, slots=True)
class Term:
    """One loss or metric of one output.

    Attributes:
        name: as Keras knows it; unique among metrics.
        function: its value for each example.
        output: index of the output and of its target.
        factor: what the term is multiplied by.
    """

    name: str
    function: PerExample
    output: int
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Training:
    """Everything that the training signatures need beside the model.

    Attributes:
        optimizer: a new Keras optimiser, built on the model's trainable variables.
    """

    inputs: tuple[PlanTensor, ...]
    targets: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    losses: tuple[Term, ...]
    metrics: tuple[Term, ...]
    optimizer: Any
    learning_rate: float

    @property
    def loss_name(self) -> str:
        """The losses' names, joined by "+"."""
        return "+".join(term.name for term in self.losses)


def resolve_training(
    model: Any, *, loss: Any, metrics: Any, optimizer: Any, learning_rate: float | None, problems: list[str]
) -> Training | None:
    """Resolve what the caller gave; what is None comes from `model.compile`.

    Args:
        model: a built functional or sequential model.
        loss: name, object, function; list or dict of them for several outputs; None for the compiled one.
        metrics: list of names, objects or functions; list of lists or dict for several outputs; None for the compiled.
        optimizer: name, object, or None for the compiled one.
        learning_rate: replaces the optimiser's own.
        problems: receives a sentence for everything that cannot be used.

    Returns:
        None if there were problems.
    """
    before = len(problems)
    compiled = model.get_compile_config() or {}
    factors = compiled.get("loss_weights") if loss is None else None
    loss = loss if loss is not None else getattr(model, "loss", None) if model.compiled else None
    losses = _losses(model, loss, factors, problems)
    metrics = metrics if metrics is not None else compiled.get("metrics") or ()
    terms = _metrics(model, metrics, losses, problems)
    fresh = resolve_optimizer(
        optimizer if optimizer is not None else getattr(model, "optimizer", None) or "sgd", learning_rate, problems
    )
    if len(problems) > before or fresh is None:
        return None
    rate = float(fresh.learning_rate)
    if not (math.isfinite(rate) and rate > 0):
        problems.append(f"the learning rate is {rate}: it must be a positive number")
        return None
    try:
        inputs, outputs = _described(model)
    except WeightsError as error:
        # Where the model's own checks found the tensor already, they said more about it.
        problems.extend([] if problems else [str(error)])
        return None
    return Training(
        inputs=inputs,
        targets=_targets(inputs, outputs, losses),
        outputs=outputs,
        losses=tuple(losses),
        metrics=tuple(terms),
        optimizer=fresh,
        learning_rate=rate,
    )


def _described(model: Any) -> tuple[tuple[PlanTensor, ...], tuple[PlanTensor, ...]]:
    """The model's inputs and outputs."""
    sides = (("input", input_names(model), model.inputs), ("output", output_names(model), model.outputs))
    inputs, outputs = (
        tuple(
            _tensor(one, f"{side}_{index}", name) for index, (name, one) in enumerate(zip(names, tensors, strict=True))
        )
        for side, names, tensors in sides
    )
    return inputs, outputs


def is_sparse(name: str) -> bool:
    """Whether a loss takes class numbers rather than one value for each output."""
    return name.startswith("sparse_")


def input_names(model: Any) -> list[str]:
    """Names of the inputs as given to `keras.Input`; "input", or "input_0" and so on, where none was given.

    Keras's own default counts all tensors of the process, so that it would not be the same twice.
    """
    single = len(model.inputs) == 1
    return [
        ("input" if single else f"input_{index}") if _AUTOMATIC_NAME.fullmatch(one.name) else one.name
        for index, one in enumerate(model.inputs)
    ]


def output_names(model: Any) -> list[str]:
    """Names of the outputs: those of a functional model, or that of a sequential model's last layer."""
    return list(getattr(model, "output_names", None) or [model.layers[-1].name])


def _tensor(tensor: Any, key: str, name: str) -> PlanTensor:
    if None in tensor.shape[1:]:
        raise WeightsError(f"tensor {name!r} has the dynamic shape {tuple(tensor.shape)}")
    return PlanTensor(TensorSpec(name, keras.backend.standardize_dtype(tensor.dtype), tuple(tensor.shape[1:])), key)


def _targets(
    inputs: Sequence[PlanTensor], outputs: Sequence[PlanTensor], losses: Sequence[Term]
) -> tuple[PlanTensor, ...]:
    targets: list[PlanTensor] = []
    for term in losses:
        output = outputs[term.output].spec
        name = "label" if len(outputs) == 1 else output.name
        while name in {one.spec.name for one in inputs}:
            name += "_target"
        sparse = is_sparse(term.name)
        spec = TensorSpec(name, "int32" if sparse else "float32", output.shape[:-1] if sparse else output.shape)
        targets.append(PlanTensor(spec, f"target_{len(targets)}"))
    return tuple(targets)


def _spread(given: Any, model: Any, what: str, problems: list[str]) -> list[Any]:
    """One entry for each output, from a list or a dict by output name."""
    names = output_names(model)
    if isinstance(given, Mapping):
        problems.extend(
            f"{what} {name!r} is for no output; the outputs are {', '.join(names)}" for name in set(given) - set(names)
        )
        return [given.get(name) for name in names]
    entries = list(given) if isinstance(given, list | tuple) else [given]
    if len(entries) != len(names):
        problems.append(f"the model has {len(names)} outputs ({', '.join(names)}) and {len(entries)} {what} entries")
        return [None] * len(names)
    return entries


def _losses(model: Any, given: Any, factors: Any, problems: list[str]) -> list[Term]:
    if given is None:
        problems.append(f"no loss was given and the model is not compiled with one: {_LOSS_HELP}")
        return []
    before = len(problems)
    terms = []
    weights = _spread(factors, model, "loss weight", problems) if factors is not None else [1.0] * len(model.outputs)
    if not all(one is None or isinstance(one, int | float) for one in weights):
        problems.append(f"loss_weights must be numbers, got {factors!r}: name the arguments of model.compile")
        weights = [1.0] * len(model.outputs)
    for index, one in enumerate(_spread(given, model, "loss", problems)):
        if one is None and len(problems) == before:
            problems.append(f"output {output_names(model)[index]!r} has no loss: {_LOSS_HELP}, or drop the output")
        elif (
            one is not None
            and (term := _loss(one, index, 1.0 if weights[index] is None else float(weights[index]), problems))
            is not None
        ):
            terms.append(term)
    return terms


def _loss(given: Any, output: int, factor: float, problems: list[str]) -> Term | None:
    try:
        found = keras.losses.get(given)
    except (ValueError, TypeError):
        found = None
    if not callable(found):
        problems.append(f"loss {given!r} is not known to Keras: {_LOSS_HELP}")
        return None
    name = _name(found)
    if not isinstance(found, keras.losses.Loss):
        return Term(name, found, output, factor)
    if found.reduction not in _MEAN_REDUCTIONS:
        problems.append(f"loss {name!r} has the reduction {found.reduction!r}: only the mean over examples is possible")
    if found.get_config().get("ignore_class") is not None:
        problems.append(f"loss {name!r} has ignore_class: leave such examples out of the data instead")
    return Term(name, found.call, output, factor)


def _metrics(model: Any, given: Any, losses: Sequence[Term], problems: list[str]) -> list[Term]:
    if isinstance(given, str) or callable(given):
        given = [given]
    if len(model.outputs) == 1 and not isinstance(given, Mapping):
        nested = isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], list | tuple)
        per_output: list[Any] = list(given) if nested else [given]
    else:
        per_output = _spread(given, model, "metrics", problems) if given else []
    terms: list[Term] = []
    for index, entry in enumerate(per_output):
        loss_name = next((one.name for one in losses if one.output == index), "")
        for one in entry if isinstance(entry, list | tuple) else [] if entry is None else [entry]:
            term = _metric(one, index, loss_name, model.outputs[index].shape, problems)
            if term is None:
                continue
            name = term.name if len(model.outputs) == 1 else f"{output_names(model)[index]}_{term.name}"
            if name == "loss" or name in {other.name for other in terms}:
                problems.append(f"metric {name!r} stands twice: give each metric a name of its own")
            terms.append(Term(name, term.function, index))
    return terms


def _metric(given: Any, output: int, loss_name: str, shape: Sequence[Any], problems: list[str]) -> Term | None:
    label = given if isinstance(given, str) else None
    if label in _ACCURACY:
        sparse, binary = is_sparse(loss_name), shape[-1] == 1 or loss_name.startswith("binary")
        kind = "sparse_categorical" if sparse else "binary" if binary else "categorical"
        given = f"{kind}_accuracy"
    try:
        found = keras.metrics.get(given)
    except (ValueError, TypeError):
        found = None
    if isinstance(found, type):
        found = found()
    if isinstance(found, keras.metrics.MeanMetricWrapper):
        own = _OWN_METRICS.get(type(found).__name__)
        function, arguments = own or found._fn, {} if own else found._fn_kwargs
        name = label or str(found.name)
        return Term(name, lambda true, pred: function(true, pred, **arguments), output)
    if isinstance(found, keras.metrics.Metric):
        problems.append(f"metric {found.name!r} is no mean over examples: {_METRIC_HELP}")
        return None
    if not callable(found):
        problems.append(f"metric {given!r} is not known to Keras: {_METRIC_HELP}")
        return None
    return Term(label or _name(found), found, output)


def _name(found: Any) -> str:
    return str(getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__))


def _sparse_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output is the target's class, as float32."""
    if len(targets.shape) == len(outputs.shape):
        targets = tf.squeeze(targets, -1)
    return tf.cast(tf.argmax(outputs, -1, tf.int32) == tf.cast(targets, tf.int32), tf.float32)


def _categorical_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output stands where the largest target does, as float32."""
    return _sparse_hits(tf.argmax(targets, -1, tf.int32), outputs)


# Keras's argmax tells -0.0 from 0.0 by bits, with an operation that TFLite lacks.
_OWN_METRICS: dict[str, PerExample] = {
    "CategoricalAccuracy": _categorical_hits,
    "SparseCategoricalAccuracy": _sparse_hits,
}


def resolve_optimizer(given: Any, learning_rate: float | None, problems: list[str]) -> Any:
    """A new optimiser like `given`, not built; None, with sentences in `problems`, if it cannot be exported."""
    try:
        found = keras.optimizers.get(given)
    except (ValueError, TypeError):
        problems.append(f"optimizer {given!r} is not known to Keras: give a name of keras.optimizers, or an object")
        return None
    before, name = len(problems), type(found).__name__
    config = found.get_config()
    if isinstance(config.get("learning_rate"), dict) and learning_rate is None:
        problems.append(
            f"optimizer {name} has a learning-rate schedule: give learning_rate=...; tasks set the rate of each round"
        )
    if config.get("use_ema"):
        problems.append(f"optimizer {name} has use_ema=True: leave it out; the aggregator averages already")
    if config.get("gradient_accumulation_steps"):
        problems.append(f"optimizer {name} has gradient_accumulation_steps: use a larger batch size instead")
    if config.get("loss_scale_factor") or isinstance(found, keras.optimizers.LossScaleOptimizer):
        problems.append(f"optimizer {name} scales the loss for float16: leave it out; plans train in float32")
    if len(problems) > before:
        return None
    if learning_rate is not None:
        config["learning_rate"] = float(learning_rate)
    return type(found).from_config(config)
