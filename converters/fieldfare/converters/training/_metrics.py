"""Metrics: those of Keras that are means over examples or quotients of two counts, and functions of the user's own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.models import output_names
from fieldfare.converters.training._outputs import is_sparse, name_of, spread
from fieldfare.converters.training._sums import PerExample, Sums, Term, mean_of, ratio_of

_HELP = "use one that is a mean over examples (accuracy, mae, ...) or a ratio (Precision, Recall), or a function"
_ACCURACY = {"accuracy", "acc"}
_WAYS_ROUND = {
    "AUC": "compute it from the outputs of infer, or report Precision and Recall",
    "RootMeanSquaredError": "report mean_squared_error and take its root",
    "F1Score": "compute it from Precision and Recall",
    "FBetaScore": "compute it from Precision and Recall",
    "R2Score": "report mean_squared_error, and divide by the variance",
}


def metric_terms(model: Any, given: Any, losses: Sequence[Term], problems: list[str]) -> list[Term]:
    """The metrics of all outputs.

    Args:
        model: in functional form.
        given: list of names, objects or functions; list of lists or dict for several outputs; empty for none.
        losses: of the outputs; "accuracy" means another metric for each kind of loss.
        problems: receives a sentence for everything that cannot be used.
    """
    if isinstance(given, str) or callable(given):
        given = [given]
    if len(model.outputs) == 1 and not isinstance(given, Mapping):
        nested = isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], list | tuple)
        per_output: list[Any] = list(given) if nested else [given]
    else:
        per_output = spread(given, model, "metrics", problems) if given else []
    terms: list[Term] = []
    for index, entry in enumerate(per_output):
        loss_name = next((one.name for one in losses if one.output == index), "")
        for one in entry if isinstance(entry, list | tuple) else [] if entry is None else [entry]:
            found = _metric(one, loss_name, model.outputs[index].shape, problems)
            if found is None:
                continue
            plain, sums = found
            name = plain if len(model.outputs) == 1 else f"{output_names(model)[index]}_{plain}"
            if name == "loss" or name in {other.name for other in terms}:
                problems.append(f"metric {name!r} stands twice: give each metric a name of its own")
            terms.append(Term(name, sums, index))
    return terms


def _metric(given: Any, loss_name: str, shape: Sequence[Any], problems: list[str]) -> tuple[str, Sums] | None:
    """Its name and what it adds up."""
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
    name = label or name_of(found)
    if isinstance(found, keras.metrics.MeanMetricWrapper):
        own = _OWN_MEANS.get(type(found).__name__)
        function, arguments = own or found._fn, {} if own else found._fn_kwargs
        return name, mean_of(_with(function, arguments), masks_itself=False)
    if (parts := _ratio(found)) is not None:
        return name, ratio_of(parts)
    if isinstance(found, keras.metrics.Metric):
        help_ = _WAYS_ROUND.get(type(found).__name__, _HELP)
        problems.append(f"metric {name!r} is no mean over examples: {help_}")
        return None
    if not callable(found):
        problems.append(f"metric {given!r} is not known to Keras: {_HELP}")
        return None
    return name, mean_of(found, masks_itself=False)


def _with(function: Any, arguments: Mapping[str, Any]) -> PerExample:
    return lambda targets, outputs: function(targets, outputs, **arguments)


def _ratio(found: Any) -> Callable[[Any, Any], tuple[Any, Any]] | None:
    """What a precision or recall with one threshold counts; None for other metrics."""
    if not isinstance(found, keras.metrics.Precision | keras.metrics.Recall):
        return None
    if len(found.thresholds) != 1 or found.top_k is not None or found.class_id is not None:
        return None
    (threshold,) = found.thresholds
    of_predictions = isinstance(found, keras.metrics.Precision)

    def parts(targets: Any, outputs: Any) -> tuple[Any, Any]:
        true = tf.cast(tf.cast(targets, tf.bool), tf.float32)
        said = tf.cast(tf.cast(outputs, tf.float32) > threshold, tf.float32)
        return true * said, said if of_predictions else true

    return parts


def _sparse_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output is the target's class, as float32."""
    if len(targets.shape) == len(outputs.shape):
        targets = tf.squeeze(targets, -1)
    return tf.cast(tf.argmax(outputs, -1, tf.int32) == tf.cast(targets, tf.int32), tf.float32)


def _categorical_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output stands where the largest target does, as float32."""
    return _sparse_hits(tf.argmax(targets, -1, tf.int32), outputs)


# Keras's argmax tells -0.0 from 0.0 by bits, with an operation that TFLite lacks.
_OWN_MEANS: dict[str, PerExample] = {
    "CategoricalAccuracy": _categorical_hits,
    "SparseCategoricalAccuracy": _sparse_hits,
}
