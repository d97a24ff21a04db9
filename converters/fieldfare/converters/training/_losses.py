"""Losses: Keras names, objects and functions that are a mean over examples."""

from typing import Any

import keras

from fieldfare.converters.models import output_names
from fieldfare.converters.training._outputs import name_of, spread
from fieldfare.converters.training._sums import Term, mean_of

_MEAN_REDUCTIONS = {"sum_over_batch_size", "mean", "mean_with_sample_weight", "auto"}
_HELP = "give a name of keras.losses, or a function (y_true, y_pred) that yields one value for each example"
_GENERALIZED = {"CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"}
"""The losses that take class numbers without saying so in their names."""

REFUSED_LOSSES = {
    "CTC": "has no builtins for its dynamic programme: compute it in the model, or train frame by frame",
    "Circle": "compares the examples of a batch with each other: use a loss of single examples",
}
"""Classes of losses to why they have no plan."""


def loss_terms(model: Any, given: Any, factors: Any, problems: list[str]) -> list[Term]:
    """The loss of each output.

    Args:
        model: in functional form.
        given: name, object, function; list or dict of them for several outputs; None if there is none.
        factors: number, list or dict, as `loss_weights` of `model.compile`; None for 1 each.
        problems: receives a sentence for everything that cannot be used.
    """
    if given is None:
        problems.append(f"no loss was given and the model is not compiled with one: {_HELP}")
        return []
    before = len(problems)
    terms = []
    weights = spread(factors, model, "loss weight", problems) if factors is not None else [1.0] * len(model.outputs)
    if not all(one is None or isinstance(one, int | float) for one in weights):
        problems.append(f"loss_weights must be numbers, got {factors!r}: name the arguments of model.compile")
        weights = [1.0] * len(model.outputs)
    for index, one in enumerate(spread(given, model, "loss", problems)):
        if one is None and len(problems) == before:
            problems.append(f"output {output_names(model)[index]!r} has no loss: {_HELP}, or drop the output")
        elif one is not None:
            factor = 1.0 if weights[index] is None else float(weights[index])
            terms.extend(_term(one, index, factor, problems))
    return terms


def _term(given: Any, output: int, factor: float, problems: list[str]) -> list[Term]:
    try:
        found = keras.losses.get(given)
    except (ValueError, TypeError):
        found = None
    if not callable(found):
        problems.append(f"loss {given!r} is not known to Keras: {_HELP}")
        return []
    name, function = name_of(found), found
    if reason := REFUSED_LOSSES.get({"ctc": "CTC", "circle": "Circle"}.get(_kind(found), _kind(found))):
        problems.append(f"loss {name!r} {reason}")
        return []
    if isinstance(found, keras.losses.Loss):
        if type(found).__call__ is not keras.losses.Loss.__call__:
            problems.append(
                f"loss {name!r} has a __call__ of its own: override call, which yields a value for each example"
            )
        if found.reduction not in _MEAN_REDUCTIONS:
            problems.append(
                f"loss {name!r} has the reduction {found.reduction!r}: only the mean over examples is possible"
            )
        function = found.call
    kind = _kind(found)
    sparse = kind in _GENERALIZED or kind.lower().startswith("sparse")
    return [Term(name, mean_of(function, masks_itself=True), output, factor, sparse)]


def _kind(found: Any) -> str:
    """Name of a loss's class, or of the function that it is; not the name that its user gave it."""
    return str(getattr(found, "__name__", type(found).__name__))
