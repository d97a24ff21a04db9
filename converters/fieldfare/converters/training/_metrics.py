"""Metrics: those of Keras that are means over examples or quotients of two counts, and functions of the user's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.models import output_names
from fieldfare.converters.training._outputs import name_of, spread
from fieldfare.converters.training._ratios import ratio_parts
from fieldfare.converters.training._sums import PerExample, Sums, Term, mean_of, ratio_of

_HELP = "use one that is a mean over examples (accuracy, mae, ...) or a quotient of counts (Precision, Recall)"
_BY_KIND = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
"""Names that mean another metric for each kind of output and target."""

_COUNT = "is a count, which says nothing without the number of examples: report Precision and Recall"
_CURVE = "needs counts for many thresholds: compute it from the outputs of infer, or report Precision and Recall"
_FUNCTION = "give a function (y_true, y_pred) that yields one value for each example"
_VALUES = f"takes values instead of targets and outputs: {_FUNCTION}"
REFUSED_METRICS = {
    "AUC": _CURVE,
    "FalseNegatives": _COUNT,
    "FalsePositives": _COUNT,
    "Mean": _VALUES,
    "MeanIoU": "is a mean of quotients: use IoU with one target class, once for each class",
    "OneHotMeanIoU": "is a mean of quotients: use OneHotIoU with one target class, once for each class",
    "PrecisionAtRecall": _CURVE,
    "R2Score": "is no mean over examples: report mean_squared_error, and divide it by the variance of the targets",
    "RecallAtPrecision": _CURVE,
    "RootMeanSquaredError": "is no mean over examples: report mean_squared_error, and take its root",
    "SensitivityAtSpecificity": _CURVE,
    "SpecificityAtSensitivity": _CURVE,
    "Sum": _VALUES,
    "TrueNegatives": _COUNT,
    "TruePositives": _COUNT,
}
"""Classes of metrics to why they have no plan, whatever their settings."""

_SETTINGS = {
    keras.metrics.FBetaScore: 'is no single quotient: use average="micro", or Precision and Recall with class_id',
    keras.metrics.IoU: "is a mean of quotients: use one target class and the last axis, once for each class",
    keras.metrics.Precision: "is one quotient only with a single threshold and without top_k: give it once for each",
    keras.metrics.Recall: "is one quotient only with a single threshold and without top_k: give it once for each",
}
"""What is said of a metric that has a plan with other settings."""


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
        sparse = any(one.sparse for one in losses if one.output == index)
        for one in entry if isinstance(entry, list | tuple) else [] if entry is None else [entry]:
            found = _metric(one, sparse, model.outputs[index].shape, problems)
            if found is None:
                continue
            plain, sums = found
            name = plain if len(model.outputs) == 1 else f"{output_names(model)[index]}_{plain}"
            if name == "loss" or name in {other.name for other in terms}:
                problems.append(f"metric {name!r} stands twice: give each metric a name of its own")
            terms.append(Term(name, sums, index))
    return terms


def _metric(given: Any, sparse: bool, shape: Sequence[Any], problems: list[str]) -> tuple[str, Sums] | None:
    """Its name and what it adds up."""
    label = given if isinstance(given, str) else None
    if label in _BY_KIND:
        # As Keras tells them apart.
        kind = "binary" if shape[-1] == 1 else "sparse_categorical" if sparse else "categorical"
        given = f"{kind}_{_BY_KIND[label]}"
    try:
        found = keras.metrics.get(given)
    except (ValueError, TypeError):
        found = None
    if isinstance(found, type):
        found = found()
    name = label or name_of(found)
    if isinstance(found, keras.metrics.Metric) and not _counts_as_keras(found):
        problems.append(f"metric {name!r} has an update_state or result of its own: {_FUNCTION}")
        return None
    if isinstance(found, keras.metrics.MeanMetricWrapper):
        return name, mean_of(_with(_own(found._fn), found._fn_kwargs), masks_itself=False)
    if (parts := ratio_parts(found, shape)) is not None:
        return name, ratio_of(parts)
    if isinstance(found, keras.metrics.Metric):
        problems.append(f"metric {name!r} {_refusal(found)}")
        return None
    if not callable(found):
        problems.append(f"metric {given!r} is not known to Keras: {_HELP}")
        return None
    return name, mean_of(_own(found), masks_itself=False)


def _counts_as_keras(metric: Any) -> bool:
    """Whether a metric is one of Keras's, or an heir that counts like it."""
    methods = (getattr(type(metric), name) for name in ("update_state", "result"))
    return all(one.__module__.partition(".")[0] == "keras" for one in methods)


def _refusal(metric: Any) -> str:
    settings = (text for kind, text in _SETTINGS.items() if isinstance(metric, kind))
    return REFUSED_METRICS.get(type(metric).__name__) or next(settings, f"is no mean over examples: {_HELP}")


def _with(function: Any, arguments: Mapping[str, Any]) -> PerExample:
    return lambda targets, outputs: function(targets, outputs, **arguments)


def _own(function: Any) -> Any:
    """The plan's own form of a metric's function, where there is one."""
    return _OWN.get(function, function)


def _sparse_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output is the target's class, as float32."""
    if len(targets.shape) == len(outputs.shape):
        targets = tf.squeeze(targets, -1)
    return tf.cast(tf.argmax(outputs, -1, tf.int32) == tf.cast(targets, tf.int32), tf.float32)


def _categorical_hits(targets: Any, outputs: Any) -> Any:
    """Whether the largest output stands where the largest target does, as float32."""
    return _sparse_hits(tf.argmax(targets, -1, tf.int32), outputs)


def _top_hits(targets: Any, outputs: Any, k: int = 5) -> Any:
    """Whether the place of the largest target is among those of the k largest outputs, as float32."""
    classes = tf.argmax(targets, -1, tf.int32)
    return keras.metrics.sparse_top_k_categorical_accuracy(classes, outputs, k=k)


def _pearson(targets: Any, outputs: Any, axis: int = -1) -> Any:
    """Keras's, but 0 where the targets or the outputs of an example are all equal; Keras's is no number there."""
    values = keras.metrics.pearson_correlation(targets, outputs, axis=axis)
    return tf.where(tf.abs(values) <= values.dtype.max, values, tf.zeros_like(values))


# Keras's argmax tells -0.0 from 0.0 by bits, with an operation that TFLite lacks.
_OWN: dict[Any, PerExample] = {
    keras.metrics.categorical_accuracy: _categorical_hits,
    keras.metrics.pearson_correlation: _pearson,
    keras.metrics.sparse_categorical_accuracy: _sparse_hits,
    keras.metrics.top_k_categorical_accuracy: _top_hits,
}
