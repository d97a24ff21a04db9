"""Gradients of `Conv2D` and of its transpose, by columns: im2col in two passes and one matrix product.

Two passes (along the width, then along the height) copy less than one pass over all kernel offsets does, and XNNPACK
runs the whole of it, whereas it runs no convolution whose filter is a variable. Measured against the convolutions of
transposes that one would write first: about half the time (docs/converters.md).
"""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering
from fieldfare.converters.lowerings._windows import Window, add, concat, fit, tap, unfit, untap, window


def windows_2d(op: Any, image: Any, kernel_size: tuple[int, int], result: Any) -> tuple[Window, Window]:
    """The windows along height and width of an operation with strides, padding and dilations.

    Args:
        op: holds the attributes.
        image: `(b, h, w, c)`: what the windows slide over.
        kernel_size: taps along height and width.
        result: `(b, h', w', c')`: one place for each position.

    Raises:
        ValueError: a data format or a padding that has no lowering.
    """
    if op.get_attr("data_format") != b"NHWC":
        raise ValueError("only the data format channels_last has a lowering")
    attributes = op.node_def.attr
    strides = op.get_attr("strides")
    dilations = op.get_attr("dilations") if "dilations" in attributes else [1, 1, 1, 1]
    padding = op.get_attr("padding").decode()
    pair = [
        window(
            image.shape[axis],
            kernel_size[axis - 1],
            stride=strides[axis],
            dilation=dilations[axis],
            positions=result.shape[axis],
            padding=padding,
        )
        for axis in (1, 2)
    ]
    return pair[0], pair[1]


def columns(image: Any, rows: Window, cols: Window) -> Any:
    """What each window sees: `(b, h, w, c)` to `(b * h' * w', kh * kw * c)`, in the order of a kernel's axes."""
    fitted = fit(fit(image, 1, rows), 2, cols)
    wide = concat([tap(fitted, 2, cols, index) for index in range(cols.size)], 3)
    both = concat([tap(wide, 1, rows, index) for index in range(rows.size)], 3)
    return tf.reshape(both, [-1, both.shape[3]])


def uncolumns(gradient: Any, batch: int, channels: int, rows: Window, cols: Window) -> Any:
    """The adjoint of `columns`: `(b * h' * w', kh * kw * c)` to `(b, h, w, c)`, adding up what overlaps."""
    width = cols.size * channels
    both = tf.reshape(gradient, [batch, rows.positions, cols.positions, rows.size * width])
    wide = add([untap(_channels(both, index * width, width), 1, rows, index) for index in range(rows.size)])
    fitted = add(
        [untap(_channels(wide, index * channels, channels), 2, cols, index) for index in range(cols.size)],
    )
    return unfit(unfit(fitted, 1, rows), 2, cols)


def filter_gradient(image: Any, gradient: Any, kernel_shape: list[int], rows: Window, cols: Window) -> Any:
    """`columns(image)^T dy`, `(kh, kw, c, f)`; grouped where the kernel has fewer channels than the image."""
    channels, filters = image.shape[3], kernel_shape[3]
    groups = channels // kernel_shape[2]
    step_in, step_out = channels // groups, filters // groups
    parts = []
    for group in range(groups):
        seen = columns(_channels(image, group * step_in, step_in), rows, cols)
        flat = tf.reshape(_channels(gradient, group * step_out, step_out), [-1, step_out])
        parts.append(tf.reshape(tf.matmul(seen, flat, transpose_a=True), [*kernel_shape[:3], step_out]))
    return concat(parts, 3)


def image_gradient(kernel: Any, gradient: Any, image_shape: list[int], rows: Window, cols: Window) -> Any:
    """`uncolumns(dy W^T)`, `(b, h, w, c)`; grouped where the kernel has fewer channels than the image."""
    kernel_shape = kernel.shape.as_list()
    groups = image_shape[3] // kernel_shape[2]
    step_out = kernel_shape[3] // groups
    parts = []
    for group in range(groups):
        weights = tf.reshape(_channels(kernel, group * step_out, step_out), [-1, step_out])
        flat = tf.reshape(_channels(gradient, group * step_out, step_out), [-1, step_out])
        seen = tf.matmul(flat, weights, transpose_b=True)
        parts.append(uncolumns(seen, image_shape[0], kernel_shape[2], rows, cols))
    return concat(parts, 3)


def _channels(tensor: Any, start: int, count: int) -> Any:
    """`count` channels of the last axis of a tensor of rank 4."""
    sizes = tensor.shape.as_list()
    if count == sizes[3]:
        return tensor
    return tf.slice(tensor, [0, 0, 0, start], [*sizes[:3], count])


@lowering("Conv2D")
def conv2d(op: Any, gradient: Any) -> list[Any]:
    """Gradients of image and kernel; any stride, dilation and number of groups, SAME and VALID."""
    image, kernel = op.inputs
    kernel_shape = kernel.shape.as_list()
    rows, cols = windows_2d(op, image, (kernel_shape[0], kernel_shape[1]), gradient)
    return [
        image_gradient(kernel, gradient, image.shape.as_list(), rows, cols),
        filter_gradient(image, gradient, kernel_shape, rows, cols),
    ]


@lowering("Conv2DBackpropInput")
def conv2d_transpose(op: Any, gradient: Any) -> list[Any]:
    """Gradients of sizes (none), kernel and image of a transposed convolution, whose image is a convolution's dy."""
    kernel, image = op.inputs[1], op.inputs[2]
    kernel_shape = kernel.shape.as_list()
    rows, cols = windows_2d(op, gradient, (kernel_shape[0], kernel_shape[1]), image)
    flat = tf.matmul(columns(gradient, rows, cols), tf.reshape(kernel, [-1, kernel_shape[3]]))
    return [
        None,
        filter_gradient(gradient, image, kernel_shape, rows, cols),
        tf.reshape(flat, image.shape),
    ]
