"""Metrics that are a quotient of two counts: precision, recall, F-scores and intersection over union of one class.

The counts add up over batches and devices. A mean of several such quotients does not: it is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

Parts = Callable[[Any, Any], tuple[Any, Any]]
"""`(targets, outputs)` to what is counted above and below, element by element."""

_NOTHING = 1e-9
"""Keras takes a smaller output for no answer at all."""


def ratio_parts(metric: Any, shape: Sequence[Any]) -> Parts | None:
    """What a metric counts; None if it is no quotient of two counts.

    Args:
        metric: a metric object of Keras.
        shape: of the output that it is for, the batch first.
    """
    if isinstance(metric, keras.metrics.Precision | keras.metrics.Recall):
        return _precision_or_recall(metric)
    if isinstance(metric, keras.metrics.FBetaScore):
        alone = shape[-1] == 1 and metric.average is not None
        return _f_score(metric) if metric.average == "micro" or alone else None
    if isinstance(metric, keras.metrics.IoU):
        return _intersection_over_union(metric)
    return None


def _precision_or_recall(metric: Any) -> Parts | None:
    if len(metric.thresholds) != 1 or metric.top_k is not None:
        return None
    (threshold,), column = metric.thresholds, metric.class_id
    of_predictions = isinstance(metric, keras.metrics.Precision)

    def parts(targets: Any, outputs: Any) -> tuple[Any, Any]:
        if column is not None:
            targets, outputs = targets[..., column], outputs[..., column]
        true = tf.cast(tf.cast(targets, tf.bool), tf.float32)
        said = tf.cast(tf.cast(outputs, tf.float32) > threshold, tf.float32)
        return true * said, said if of_predictions else true

    return parts


def _f_score(metric: Any) -> Parts:
    """`(1 + b^2) TP / (b^2 (TP + FN) + (TP + FP))`, the harmonic mean written as one quotient."""
    squared, threshold = float(metric.beta) ** 2, metric.threshold

    def parts(targets: Any, outputs: Any) -> tuple[Any, Any]:
        true, outputs = tf.cast(targets, tf.float32), tf.cast(outputs, tf.float32)
        if threshold is None:
            said = (outputs >= tf.reduce_max(outputs, -1, keepdims=True)) & (tf.abs(outputs) > _NOTHING)
        else:
            said = outputs > threshold
        counted = tf.cast(said, tf.float32)
        return (1.0 + squared) * true * counted, squared * true + counted

    return parts


def _intersection_over_union(metric: Any) -> Parts | None:
    if len(metric.target_class_ids) != 1 or metric.axis not in (-1, None):
        return None
    (wanted,) = metric.target_class_ids

    def parts(targets: Any, outputs: Any) -> tuple[Any, Any]:
        true = _classes(targets, sparse=metric.sparse_y_true)
        counts = _is_class(true, metric)
        if isinstance(metric, keras.metrics.BinaryIoU):
            there = (tf.cast(outputs, tf.float32) >= metric.threshold) == bool(wanted)
        else:
            said = _classes(outputs, sparse=metric.sparse_y_pred)
            counts &= _is_class(said, metric)
            there = said == wanted
        if metric.ignore_class is not None:
            counts &= true != metric.ignore_class
        here = true == wanted
        return tf.cast(counts & here & there, tf.float32), tf.cast(counts & (here | there), tf.float32)

    return parts


def _is_class(values: Any, metric: Any) -> Any:
    return (values >= 0) & (values < metric.num_classes)


def _classes(values: Any, *, sparse: bool) -> Any:
    return tf.cast(values, tf.int32) if sparse else tf.argmax(values, -1, tf.int32)
