"""Sums: of copies, in as few axes as it takes, since XNNPACK fails on tensors of many; and of occurrences."""

import math
from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement


@lowering("Tile")
def tile(op: Any, gradient: Any) -> list[Any]:
    """The sum over the copies, axis by axis; TensorFlow's own sums a tensor of twice as many axes at once."""
    sizes = op.inputs[0].shape.as_list()
    current = gradient.shape.as_list()
    result = gradient
    for axis, size in enumerate(sizes):
        copies = current[axis] // size
        current[axis] = size
        if copies > 1:
            inner = math.prod(current[axis:])
            result = tf.reduce_sum(tf.reshape(result, [-1, copies, inner]), axis=1)
    return [tf.reshape(result, sizes), None]


@replacement("DenseBincount")
def dense_bincount(wanted: Wanted) -> Any:
    """How often each number below a constant occurs, or whether it does, as `CategoryEncoding` asks for it.

    TensorFlow widens the result where a number is larger than that; here such a number counts for nothing. None where
    there is no constant, or where there are weights.
    """
    numbers, size, weights = wanted.inputs
    widths = _bounds(size)
    if len(widths) != 1 or weights.shape.num_elements() != 0:
        return None
    counts = tf.reduce_sum(tf.one_hot(numbers, widths.pop(), dtype=weights.dtype), axis=-2)
    return tf.minimum(counts, tf.ones([], weights.dtype)) if wanted.get_attr("binary_output") else counts


def _bounds(size: Any) -> set[int]:
    """The positive constants that a size is the minimum and maximum of, such as `minimum(7, maximum(7, computed))`."""
    value = tf.get_static_value(size)
    if value is not None:
        return {int(value)} - {0}
    inner = size.op.inputs if size.op.type in {"Maximum", "Minimum"} else ()
    return {bound for one in inner for bound in _bounds(one)}
