"""Everything that the training signatures need beside the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from fieldfare.converters.models import input_names, output_names
from fieldfare.converters.training._losses import loss_terms
from fieldfare.converters.training._metrics import metric_terms
from fieldfare.converters.training._optimizers import fresh_optimizer
from fieldfare.converters.training._sums import Term
from fieldfare.core.errors import WeightsError
from fieldfare.core.plans import PlanTensor
from fieldfare.core.weights import TensorSpec

_OWN = ("train_step", "compute_loss")
"""Methods with which a model trains in a way of its own."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a plan trains with.

    Attributes:
        optimizer: a new Keras optimiser, not built.
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
    model: Any,
    *,
    loss: Any,
    metrics: Any,
    optimizer: Any,
    learning_rate: float | None,
    problems: list[str],
    compiled: Any = None,
) -> Training | None:
    """Resolve what the caller gave; what is None comes from `model.compile`.

    Args:
        model: in functional form.
        loss: name, object, function; list or dict of them for several outputs; None for the compiled one.
        metrics: list of names, objects or functions; list of lists or dict for several outputs; None for the compiled.
        optimizer: name, object, or None for the compiled one.
        learning_rate: replaces the optimiser's own.
        problems: receives a sentence for everything that cannot be used.
        compiled: the model that was compiled, where it is another one than its functional form.

    Returns:
        None if there were problems.
    """
    before, given = len(problems), loss is not None
    source = model if compiled is None else compiled
    settings = compile_settings(source)
    factors = None if given else settings.get("loss_weights")
    loss = loss if given else getattr(source, "loss", None) if source.compiled else None
    if own := [] if given else [name for name in _OWN if getattr(type(source), name) is not getattr(keras.Model, name)]:
        problems.append(
            f"the model has a {own[0]} of its own, which no plan runs: say with loss=... what devices minimise"
        )
    losses = loss_terms(model, loss, factors, problems)
    if metrics is None and settings.get("weighted_metrics"):
        problems.append("weighted_metrics were compiled: give them as metrics; a plan weights the examples of all")
    metrics = metrics if metrics is not None else settings.get("metrics") or ()
    terms = metric_terms(model, metrics, losses, problems)
    fresh = fresh_optimizer(
        optimizer if optimizer is not None else getattr(source, "optimizer", None) or "sgd", learning_rate, problems
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


def compile_settings(model: Any) -> dict[str, Any]:
    """What `model.compile` was called with, by argument; empty if it was not.

    The objects themselves: `get_compile_config` serialises them, and cannot read back a function of the user's own.
    """
    # A model with a `compile` of its own may have none.
    config = getattr(model, "_compile_config", None)
    return dict(config.config) if model.compiled and config is not None else {}


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
        others = [] if len(outputs) == 1 else [one for one in outputs if one.spec is not output]
        while name in {one.spec.name for one in (*inputs, *others, *targets)}:
            name += "_target"
        shape = output.shape[:-1] if term.sparse else output.shape
        spec = TensorSpec(name, "int32" if term.sparse else "float32", shape)
        targets.append(PlanTensor(spec, f"target_{len(targets)}"))
    return tuple(targets)
