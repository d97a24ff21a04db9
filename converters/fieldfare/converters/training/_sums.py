"""Losses and metrics as two sums over the examples of a batch: that of weight times value, and that of the weights.

Sums are what is exact to add up over batches and devices. A batch that was filled up with examples of weight 0 gives
the sums of the short batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from fieldfare.core.errors import ModelError

PerExample = Callable[[Any, Any], Any]
"""`(targets, outputs)` of a batch to values whose first axis is the batch."""

Sums = Callable[[Any, Any, Any], tuple[Any, Any]]
"""`(targets, outputs, example_weight)` to the sum of weight times value and the sum of the weights, `()` float32 each.

The second is None where it is the sum of `example_weight`.
"""


@dataclass(frozen=True, slots=True)
class Term:
    """One loss or metric of one output.

    Attributes:
        name: as Keras knows it; unique among metrics.
        sums: what it adds up to over a batch.
        output: index of the output and of its target.
        factor: what a loss is multiplied by.
        sparse: whether a loss takes class numbers rather than one value for each output.
    """

    name: str
    sums: Sums
    output: int
    factor: float = 1.0
    sparse: bool = False


def mean_of(function: PerExample, *, masks_itself: bool) -> Sums:
    """The mean of a function over examples, or over what a mask leaves of them, as Keras computes it.

    Args:
        function: the values; of more axes than one, their mean is an example's value.
        masks_itself: whether a mask on the values counts beside that of the outputs (losses), or not (metrics).

    The sums raise:
        ModelError: values that are not one for each example: a loss that compares the examples of a batch.
    """

    def sums(targets: Any, outputs: Any, weight: Any) -> tuple[Any, Any]:
        values = function(targets, outputs)
        masks = [mask_of(outputs), mask_of(values) if masks_itself else None]
        values = tf.cast(values, tf.float32)
        if not values.shape.rank or values.shape[0] != weight.shape[0]:
            raise ModelError("does not give one value for each example of a batch")
        present = [_like(tf.cast(one, tf.float32), values) for one in masks if one is not None]
        if not present:
            return tf.reduce_sum(weight * _per_example(values)), None
        mask = tf.math.reduce_prod(tf.stack(present), 0) if len(present) > 1 else present[0]
        # Means over the elements rather than sums: an example's weight is then at most 1.
        return tf.reduce_sum(weight * _per_example(values * mask)), tf.reduce_sum(weight * _per_example(mask))

    return sums


def ratio_of(parts: Callable[[Any, Any], tuple[Any, Any]]) -> Sums:
    """A quotient of two counts over elements, such as precision; masked elements count too, as in Keras.

    Args:
        parts: `(targets, outputs)` to what is counted above and below, element by element.
    """

    def sums(targets: Any, outputs: Any, weight: Any) -> tuple[Any, Any]:
        above, below = parts(targets, outputs)
        return tf.reduce_sum(weight * _per_example(above)), tf.reduce_sum(weight * _per_example(below))

    return sums


def mask_of(tensor: Any) -> Any:
    """The mask that Keras attached to a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def _per_example(values: Any) -> Any:
    """`(batch,)` float32: the mean over all axes but the first."""
    return values if len(values.shape) == 1 else tf.reduce_mean(tf.reshape(values, [values.shape[0], -1]), axis=1)


def _like(mask: Any, values: Any) -> Any:
    """The mask in the shape of the values; axes that it lacks are at the end, as everywhere in Keras."""
    while len(mask.shape) > len(values.shape) and mask.shape[-1] == 1:
        mask = tf.squeeze(mask, -1)
    for _ in range(len(values.shape) - len(mask.shape)):
        mask = tf.expand_dims(mask, -1)
    return mask + tf.zeros_like(values)
