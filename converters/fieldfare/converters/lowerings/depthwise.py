"""`DepthwiseConv2dNative` and its gradients, offset by offset: each is one product and one sum."""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering
from fieldfare.converters.lowerings._windows import concat, cut, fit, tap, untaps
from fieldfare.converters.lowerings.convolution import windows_2d


@lowering("DepthwiseConv2dNative")
def depthwise(op: Any, gradient: Any) -> list[Any]:
    """Gradients of image and kernel; any stride, dilation and depth multiplier, SAME and VALID."""
    image, kernel = op.inputs
    height, width, channels, multiplier = kernel.shape.as_list()
    rows, cols = windows_2d(op, image, (height, width))
    fitted = fit(image, {1: rows, 2: cols})
    places = gradient.shape[0] * rows.positions * cols.positions
    # Output channel c * multiplier + m belongs to input channel c.
    flat = tf.reshape(gradient, [places, channels, multiplier])
    lines, kernel_parts = [], []
    for row in range(height):
        wide_parts = []
        line = tap(fitted, 1, rows, row)
        for col in range(width):
            seen = tf.reshape(tap(line, 2, cols, col), [places, channels, 1])
            kernel_parts.append(tf.reshape(tf.reduce_sum(seen * flat, axis=0), [1, 1, channels, multiplier]))
            weight = tf.reshape(cut(kernel, {0: row, 1: col}, {0: 1, 1: 1}), [1, channels, multiplier])
            back = tf.reduce_sum(flat * weight, axis=2)
            wide_parts.append(tf.reshape(back, [gradient.shape[0], rows.positions, cols.positions, channels]))
        lines.append(untaps(wide_parts, 2, cols))
    return [untaps(lines, 1, rows), tf.reshape(concat(kernel_parts, 0), kernel.shape)]
