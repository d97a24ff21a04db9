"""Gradients of `DepthwiseConv2dNative`, as depthwise convolutions themselves.

XNNPACK takes none with a variable filter, but TFLite's own kernel is fast, so that the forward pass stays as it is and
both gradients use the same operation: about a tenth of the time of a product and a sum for each offset.
"""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering
from fieldfare.converters.lowerings._windows import Window, add, concat, cut, fit, pad
from fieldfare.converters.lowerings.convolution import windows_2d

_MOST_CHANNELS = 2048  # TFLite's kernel has a buffer for 4832 output channels


@lowering("DepthwiseConv2dNative")
def depthwise(op: Any, gradient: Any) -> list[Any]:
    """Gradients of image and kernel; any stride and depth multiplier, SAME and VALID.

    Raises:
        ValueError: a data format or a padding that has no lowering, or dilations, which TensorFlow expresses by moving
            space into the batch.
    """
    image, kernel = op.inputs
    rows, cols = windows_2d(op, image, (kernel.shape[0], kernel.shape[1]))
    if rows.dilation != 1 or cols.dilation != 1:
        raise ValueError("dilations of DepthwiseConv2dNative have no lowering: use tf.nn.depthwise_conv2d")
    return [_image_gradient(kernel, gradient, rows, cols), _kernel_gradient(image, kernel, gradient, rows, cols)]


def _image_gradient(kernel: Any, gradient: Any, rows: Window, cols: Window) -> Any:
    """The gradient convolved with the kernel turned round, separately for each phase of the stride."""
    height, width, channels, multiplier = kernel.shape.as_list()
    batch, outputs = gradient.shape[0], channels * multiplier
    each = tf.reshape(kernel, [height, width, outputs, 1])
    lines = []
    for row in range(rows.stride):
        phases = [_phase(each, gradient, (rows, row), (cols, col)) for col in range(cols.stride)]
        line = concat(phases, 3)
        lines.append(tf.reshape(line, [batch, line.shape[1], -1, outputs]))
    whole = concat(lines, 2)
    if rows.stride > 1 or cols.stride > 1:
        size = [rows.blocks * rows.stride, cols.blocks * cols.stride]
        whole = tf.reshape(whole, [batch, *size, outputs])
        whole = pad(
            whole,
            {
                axis: (-one.before, one.length + one.before - size[axis - 1])
                for axis, one in ((1, rows), (2, cols))
                if one.stride > 1
            },
        )
    if multiplier == 1:
        return whole
    return tf.reduce_sum(tf.reshape(whole, [*whole.shape[:3], channels, multiplier]), axis=4)


def _phase(kernel: Any, gradient: Any, row: tuple[Window, int], col: tuple[Window, int]) -> Any:
    """What the image's places get whose distance from the window's first place has this rest by the stride.

    Args:
        kernel: `(kh, kw, c, 1)`.
        gradient: `(b, h', w', c)`.
        row: the window along the height, and the rest.
        col: the window along the width, and the rest.
    """
    widths, sizes = {}, []
    for axis, (win, rest) in ((1, row), (2, col)):
        taps = len(range(rest, win.size, win.stride))
        first, count = (win.before, win.length) if win.stride == 1 else (0, win.blocks)
        widths[axis] = (taps - 1 - first, first + count - win.positions)
        sizes.append(count if taps else 0)
    if not all(sizes):
        counts = [win.length if win.stride == 1 else win.blocks for win, _ in (row, col)]
        return tf.zeros([gradient.shape[0], *counts, gradient.shape[3]])
    part = tf.reverse(kernel[row[1] :: row[0].stride, col[1] :: col[0].stride], [0, 1])
    return tf.nn.depthwise_conv2d(pad(gradient, widths), part, [1, 1, 1, 1], "VALID")


def _kernel_gradient(image: Any, kernel: Any, gradient: Any, rows: Window, cols: Window) -> Any:
    """The image convolved with the gradient, examples taken for channels; a stride becomes a dilation."""
    height, width, channels, multiplier = kernel.shape.as_list()
    fitted = fit(image, {1: rows, 2: cols})
    size = max(_MOST_CHANNELS // (channels * multiplier), 1)
    sums = []
    for start in range(0, image.shape[0], size):
        seen, slopes = (cut(one, {0: start}, {0: min(size, image.shape[0] - start)}) for one in (fitted, gradient))
        depth = seen.shape[0] * channels
        seen = tf.reshape(tf.transpose(seen, [1, 2, 0, 3]), [1, rows.span, cols.span, depth])
        slopes = tf.transpose(slopes, [1, 2, 0, 3])
        slopes = tf.reshape(slopes, [rows.positions, cols.positions, depth, multiplier])
        each = tf.nn.depthwise_conv2d(seen, slopes, [1, 1, 1, 1], "VALID", dilations=[rows.stride, cols.stride])
        sums.append(tf.reduce_sum(tf.reshape(each, [height, width, -1, channels * multiplier]), axis=2))
    return tf.reshape(add(sums), kernel.shape)
