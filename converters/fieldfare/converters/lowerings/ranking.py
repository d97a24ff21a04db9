"""Whether a class is among the k most likely, for the top-k metrics: TFLite has no `InTopKV2`."""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, replacement


@replacement("InTopKV2")
def in_top_k(wanted: Wanted) -> Any:
    """Whether fewer than k classes have a larger prediction than the target, `(b,)` bool; ties are all in.

    Inputs are predictions `(b, classes)`, targets `(b,)` and k. False where a prediction is not finite or the target is
    no class.
    """
    predictions, targets, k = wanted.inputs
    classes = predictions.shape[-1]
    # A target that is no class has a row of zeros.
    chosen = tf.one_hot(tf.cast(targets, tf.int32), classes, on_value=True, off_value=False, dtype=tf.bool)
    own = tf.reduce_sum(tf.where(chosen, predictions, tf.zeros_like(predictions)), -1, keepdims=True)
    larger = tf.reduce_sum(tf.cast(predictions > own, tf.int32), -1)
    finite = tf.reduce_all(tf.abs(predictions) <= predictions.dtype.max, -1)
    return (larger < tf.cast(k, tf.int32)) & finite & tf.reduce_any(chosen, -1)
