"""Convolutions and pooling of volumes, made of those of images: TFLite trains neither, and pools no volumes at all.

The depth is a sum (or a maximum) over the taps of a window along that axis; what is left is an operation on images,
whose gradient has a lowering. All tensors are `(b, d, h, w, c)`.
"""

import math
from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, replacement
from fieldfare.converters.lowerings._windows import Window, add, fit, pad, tap, untaps, window

_VOLUME_AXES = 5


@replacement("Conv3D")
def conv3d(wanted: Wanted) -> Any:
    """`sum_k conv2d(depth tap k, kernel[k])`; any stride, dilation and number of groups, SAME and VALID."""
    volume, kernel = wanted.inputs
    strides, dilations, padding = _attributes(wanted)
    depth = _depth(volume.shape[1], kernel, strides, dilations, padding)
    fitted = fit(volume, {1: depth})
    parts = [
        tf.nn.conv2d(
            _images(tap(fitted, 1, depth, index)), kernel[index], strides[2:4], padding, dilations=dilations[2:4]
        )
        for index in range(depth.size)
    ]
    return _volumes(add(parts), depth.positions)


@replacement("Conv3DBackpropInputV2")
def conv3d_transpose(wanted: Wanted) -> Any:
    """`conv2d_transpose(image, kernel[k])` put back where tap k was, and summed: the adjoint of `conv3d`.

    Raises:
        ValueError: an output whose shape is not constant.
    """
    sizes, kernel, volume = wanted.inputs
    shape = tf.get_static_value(sizes)
    if shape is None:
        raise ValueError("a transposed convolution to a computed shape has no lowering")
    strides, dilations, padding = _attributes(wanted)
    depth = _depth(int(shape[1]), kernel, strides, dilations, padding)
    images = _images(volume)
    image_shape = [images.shape[0], *(int(one) for one in shape[2:])]
    parts = []
    for index in range(depth.size):
        image = tf.nn.conv2d_transpose(
            images, kernel[index], image_shape, strides[2:4], padding, dilations=dilations[2:4]
        )
        parts.append(_volumes(image, depth.positions))
    return untaps(parts, 1, depth)


@replacement("MaxPool3D")
def max_pool3d(wanted: Wanted) -> Any:
    """The largest of each image's window, then the largest of those along the depth.

    In a tie the first gets the gradient, as for images. TensorFlow on a processor gives the whole of it to each.
    """
    return _pooled(wanted, tf.nn.max_pool2d)


@replacement("AvgPool3D")
def avg_pool3d(wanted: Wanted) -> Any:
    """Means of means, which are exact: how many elements a window holds is the product of the two counts."""
    return _pooled(wanted, tf.nn.avg_pool2d)


@replacement("SpaceToBatchND")
def space_to_batch(wanted: Wanted) -> Any:
    """What a dilated convolution of volumes begins with, axis by axis; None for images, which TFLite knows."""
    volume, blocks, paddings = _blocks(wanted)
    if volume is None:
        return None
    for axis in range(len(blocks), 0, -1):
        block = int(blocks[axis - 1])
        whole = pad(volume, {axis: (int(paddings[axis - 1][0]), int(paddings[axis - 1][1]))})
        batch, *sizes = whole.shape.as_list()
        outer, inner = math.prod(sizes[: axis - 1]), math.prod(sizes[axis:])
        split = tf.reshape(whole, [batch * outer, sizes[axis - 1] // block, block, inner])
        sizes[axis - 1] //= block
        volume = tf.reshape(tf.transpose(split, [2, 0, 1, 3]), [block * batch, *sizes])
    return volume


@replacement("BatchToSpaceND")
def batch_to_space(wanted: Wanted) -> Any:
    """What a dilated convolution of volumes ends with, axis by axis; None for images, which TFLite knows."""
    volume, blocks, crops = _blocks(wanted)
    if volume is None:
        return None
    for axis in range(1, len(blocks) + 1):
        block = int(blocks[axis - 1])
        batch, *sizes = volume.shape.as_list()
        outer, inner = math.prod(sizes[: axis - 1]), math.prod(sizes[axis:])
        split = tf.reshape(volume, [block, batch // block * outer, sizes[axis - 1], inner])
        sizes[axis - 1] *= block
        whole = tf.reshape(tf.transpose(split, [1, 2, 0, 3]), [batch // block, *sizes])
        volume = pad(whole, {axis: (-int(crops[axis - 1][0]), -int(crops[axis - 1][1]))})
    return volume


def _blocks(wanted: Wanted) -> tuple[Any, Any, Any]:
    """The volume, the block's size along each axis, and what is padded or cut off; a volume of None for images."""
    blocks, widths = (tf.get_static_value(one) for one in wanted.inputs[1:])
    known = blocks is not None and widths is not None and len(wanted.inputs[0].shape) == _VOLUME_AXES
    return (wanted.inputs[0] if known else None), blocks, widths


def _pooled(wanted: Wanted, pool: Any) -> Any:
    (volume,) = wanted.inputs
    sizes, (strides, _, padding) = wanted.get_attr("ksize"), _attributes(wanted)
    flat = _volumes(pool(_images(volume), sizes[2:4], strides[2:4], padding), volume.shape[1])
    _, depth, height, width, channels = flat.shape.as_list()
    lines = tf.reshape(flat, [-1, depth, height * width, channels])
    result = pool(lines, [sizes[1], 1], [strides[1], 1], padding)
    return tf.reshape(result, [-1, result.shape[1], height, width, channels])


def _attributes(wanted: Wanted) -> tuple[list[int], list[int], str]:
    """Strides and dilations of all five axes, and the padding.

    Raises:
        ValueError: a data format other than NDHWC.
    """
    if wanted.get_attr("data_format") != b"NDHWC":
        raise ValueError("only the data format channels_last has a lowering")
    try:
        dilations = wanted.get_attr("dilations")
    except KeyError:  # pooling has none
        dilations = []
    return wanted.get_attr("strides"), dilations or [1] * 5, wanted.get_attr("padding").decode()


def _depth(length: int, kernel: Any, strides: list[int], dilations: list[int], padding: str) -> Window:
    """The window along the depth of `length` elements."""
    return window(length, kernel.shape[0], stride=strides[1], dilation=dilations[1], padding=padding)


def _images(volume: Any) -> Any:
    """`(b, d, h, w, c)` to `(b * d, h, w, c)`."""
    return tf.reshape(volume, [volume.shape[0] * volume.shape[1], *volume.shape[2:]])


def _volumes(images: Any, depth: int) -> Any:
    """`(b * d, h, w, c)` to `(b, d, h, w, c)`."""
    return tf.reshape(images, [images.shape[0] // depth, depth, *images.shape[1:]])
