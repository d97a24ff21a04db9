"""Gradients that add up, in as few axes as it takes: XNNPACK fails on tensors of many axes."""

import math
from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering


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
