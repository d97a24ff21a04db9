"""Gradients of pooling. In `MaxPool` a window's gradient goes to the first of its largest elements, as in TensorFlow.

Ties are not rare: quantised pictures with flat areas make them everywhere, so sharing the gradient among them would
train another model than Keras does.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering
from fieldfare.converters.lowerings._windows import Window, fit, pad, tap, untaps, window

_LOWEST = -3.0e38
_STEEP = 1e30


@lowering("MaxPool")
def max_pool(op: Any, gradient: Any) -> Any:
    """Gradient of the image; any window and stride, SAME and VALID.

    Raises:
        ValueError: a data format other than NHWC.
    """
    if op.get_attr("data_format") != b"NHWC":
        raise ValueError("only the data format channels_last has a lowering")
    image, result = op.inputs[0], op.outputs[0]
    rows, cols = _windows(op)
    if all(one.size == one.stride for one in (rows, cols)):
        return _tiles(image, result, gradient, rows, cols)
    return _overlapping(image, result, gradient, rows, cols)


def _first_of_largest(patches: list[Any], result: Any, gradient: Any) -> list[Any]:
    """Give `gradient` to the first patch that equals `result`: arithmetic instead of EQUAL, SELECT and CAST."""
    shares, left = [], gradient
    for patch in patches[:-1]:
        # Safe: the result is the maximum, so the difference is never negative.
        smaller = tf.minimum((result - patch) * _STEEP, 1.0)
        rest = left * smaller
        shares.append(left - rest)
        left = rest
    # Whatever no other patch took is the last one's.
    return [*shares, left]


def _tiles(image: Any, result: Any, gradient: Any, rows: Window, cols: Window) -> Any:
    """Windows that do not overlap: cut the image into tiles by reshaping, which costs nothing."""
    batch, _, _, channels = image.shape.as_list()
    fitted = fit(image, {1: rows, 2: cols}, _LOWEST)
    lines = batch * rows.positions
    tiles = tf.reshape(fitted, [lines, rows.size, cols.positions, cols.size * channels])
    flat_shape = [lines, 1, cols.positions, channels]
    patches = [
        tf.slice(tiles, [0, row, 0, col * channels], flat_shape) for row in range(rows.size) for col in range(cols.size)
    ]
    shares = _first_of_largest(patches, tf.reshape(result, flat_shape), tf.reshape(gradient, flat_shape))
    lines_of_tiles = [
        shares[row * cols.size] if cols.size == 1 else tf.concat(shares[row * cols.size : (row + 1) * cols.size], 3)
        for row in range(rows.size)
    ]
    whole = lines_of_tiles[0] if rows.size == 1 else tf.concat(lines_of_tiles, 1)
    return pad(
        tf.reshape(whole, fitted.shape),
        {axis: (-one.before, one.length + one.before - one.span) for axis, one in ((1, rows), (2, cols))},
    )


def _overlapping(image: Any, result: Any, gradient: Any, rows: Window, cols: Window) -> Any:
    fitted = fit(image, {1: rows, 2: cols}, _LOWEST)
    patches = [tap(tap(fitted, 1, rows, row), 2, cols, col) for row in range(rows.size) for col in range(cols.size)]
    shares = _first_of_largest(patches, result, gradient)
    lines = [untaps(shares[row * cols.size : (row + 1) * cols.size], 2, cols) for row in range(rows.size)]
    return untaps(lines, 1, rows)


@lowering("AvgPool")
def avg_pool(op: Any, gradient: Any) -> Any:
    """Gradient of the image: each window's gradient in equal shares; what is padded counts for nothing, as in SAME.

    Raises:
        ValueError: a data format other than NHWC.
    """
    if op.get_attr("data_format") != b"NHWC":
        raise ValueError("only the data format channels_last has a lowering")
    rows, cols = _windows(op)
    counts = np.outer(_inside(rows), _inside(cols)).astype(np.float32)
    share = gradient * tf.constant(1.0 / counts[None, :, :, None])
    return untaps([untaps([share] * cols.size, 2, cols)] * rows.size, 1, rows)


def _inside(win: Window) -> Any:
    """`(positions,)`: how many taps of the window stand on the image at each position."""
    taps = np.arange(win.positions)[:, None] * win.stride + np.arange(win.size)[None, :] - win.before
    return ((taps >= 0) & (taps < win.length)).sum(axis=1)


def _windows(op: Any) -> tuple[Window, Window]:
    image = op.inputs[-1]
    sizes, strides, padding = op.get_attr("ksize"), op.get_attr("strides"), op.get_attr("padding").decode()
    pair = [
        window(
            image.shape[axis],
            sizes[axis],
            stride=strides[axis],
            dilation=1,
            padding=padding,
        )
        for axis in (1, 2)
    ]
    return pair[0], pair[1]
