"""Metrics: those of Keras that are means over examples or quotients of two counts, and functions of the user's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.models import output_names
from fieldfare.converters.training._outputs import is_sparse, name_of, spread
from fieldfare.converters.training._ratios import ratio_parts
from fieldfare.converters.training._sums import PerExample, Sums, Term, mean_of, ratio_of

_HELP = "use one that is a mean over examples (accuracy, mae, ...) or a quotient of counts (Precision, Recall)"
_ACCURACY = {"accuracy", "acc"}
_COUNT = "is a count, which says nothing without the number of examples: report Precision and Recall"
_CURVE = "needs counts for many thresholds: compute it from the outputs of infer, or report Precision and Recall"
_SCORE = 'is a mean of quotients: use average="micro", or Precision and Recall with class_id'
_UNION = "is a mean of quotients: use IoU, BinaryIoU or OneHotIoU with one target class, once for each class"
_REFUSED = {
    "AUC": _CURVE,
    "F1Score": _SCORE,
    "FBetaScore": _SCORE,
    "FalseNegatives": _COUNT,
    "FalsePositives": _COUNT,
    "BinaryIoU": _UNION,
    "IoU": _UNION,
    "Mean": "takes values instead of targets and outputs: give a function (y_true, y_pred)",
    "MeanIoU": _UNION,
    "OneHotIoU": _UNION,
    "OneHotMeanIoU": _UNION,
    "Precision": "is one quotient with a single threshold and without top_k: give it once for each threshold",
    "PrecisionAtRecall": _CURVE,
    "R2Score": "is no mean over examples: report mean_squared_error, and divide it by the variance of the targets",
    "Recall": "is one quotient with a single threshold and without top_k: give it once for each threshold",
    "RecallAtPrecision": _CURVE,
    "RootMeanSquaredError": "is no mean over examples: report mean_squared_error, and take its root",
    "SensitivityAtSpecificity": _CURVE,
    "SpecificityAtSensitivity": _CURVE,
    "Sum": "takes values instead of targets and outputs: give a function (y_true, y_pred)",
    "TrueNegatives": _COUNT,
    "TruePositives": _COUNT,
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
    if (parts := ratio_parts(found, shape)) is not None:
        return name, ratio_of(parts)
    if isinstance(found, keras.metrics.Metric):
        reason = _REFUSED.get(type(found).__name__, f"is no mean over examples: {_HELP}")
        problems.append(f"metric {name!r} {reason}")
        return None
    if not callable(found):
        problems.append(f"metric {given!r} is not known to Keras: {_HELP}")
        return None
    return name, mean_of(found, masks_itself=False)


def _with(function: Any, arguments: Mapping[str, Any]) -> PerExample:
    return lambda targets, outputs: function(targets, outputs, **arguments)


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
