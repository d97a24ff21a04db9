"""Resizing of images as two products with constant matrices: it is linear, and acts on height and width apart.

The matrix of an axis is what TensorFlow's own operation makes of an identity matrix, so that it is exact for every
kernel, with antialiasing too. TFLite knows bilinear and nearest resizing, without a gradient, and no other kind.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement

_RESIZING = {
    "ResizeBilinear": tf.raw_ops.ResizeBilinear,
    "ResizeNearestNeighbor": tf.raw_ops.ResizeNearestNeighbor,
    "ResizeBicubic": tf.raw_ops.ResizeBicubic,
}
_FOLDED: dict[str, tuple[str, ...]] = {
    "Cast": ("DstT",),
    "RealDiv": (),
    "StridedSlice": ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"),
}
"""Operations between constants, with the attributes that they need."""


@lowering("ResizeBilinear")
def resize_bilinear(op: Any, gradient: Any) -> list[Any]:
    """`H^T dy W`."""
    return [_adjoint(op, gradient), None]


@lowering("ResizeNearestNeighbor")
def resize_nearest(op: Any, gradient: Any) -> list[Any]:
    """`H^T dy W`."""
    return [_adjoint(op, gradient), None]


@replacement("ResizeBicubic")
def resize_bicubic(wanted: Wanted) -> Any:
    """`H x W^T`; None where the size is not constant."""
    image = wanted.inputs[0]
    size = tf.get_static_value(wanted.inputs[1])
    return None if size is None else _apply(image, *_matrices(wanted, image.shape, size))


@replacement("ScaleAndTranslate")
def scale_and_translate(wanted: Wanted) -> Any:
    """`H x W^T`, with the kernels lanczos, gaussian, keyscubic and so on; None where size or place are not constant."""
    image = wanted.inputs[0]
    size, scale, translation = (_constant(one) for one in wanted.inputs[1:4])
    if size is None or scale is None or translation is None:
        return None
    settings = {
        "kernel_type": wanted.get_attr("kernel_type").decode(),
        "antialias": wanted.get_attr("antialias"),
    }
    pair = []
    for axis in (0, 1):
        length = image.shape[1 + axis]
        with tf.init_scope():
            made = tf.raw_ops.ScaleAndTranslate(
                images=_identity(length),
                size=[size[axis], 1],
                scale=tf.constant([scale[axis], 1.0], tf.float32),
                translation=tf.constant([translation[axis], 0.0], tf.float32),
                **settings,
            )
        pair.append(_matrix(made))
    return _apply(image, pair[0], pair[1])


def _constant(tensor: Any) -> Any:
    """The value of a tensor, such as new size over old size; None where it is not computed from constants alone."""
    value = tf.get_static_value(tensor)
    if value is not None or tensor.op.type not in _FOLDED:
        return value
    values = [_constant(one) for one in tensor.op.inputs]
    if any(one is None for one in values):
        return None
    names = [one.name for one in tensor.op.op_def.input_arg]
    attributes = {name: tensor.op.get_attr(name) for name in _FOLDED[tensor.op.type]}
    with tf.init_scope():
        return getattr(tf.raw_ops, tensor.op.type)(**dict(zip(names, values, strict=True)), **attributes).numpy()


def _adjoint(op: Any, gradient: Any) -> Any:
    size = gradient.shape[1:3]
    rows, cols = _matrices(op, op.inputs[0].shape, size)
    return _apply(gradient, rows.T, cols.T)


def _matrices(op: Any, image_shape: Any, size: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(h', h)` and `(w', w)`: what the operation does along each axis."""
    settings = {name: op.get_attr(name) for name in ("align_corners", "half_pixel_centers")}
    pair = []
    for axis in (0, 1):
        length = image_shape[1 + axis]
        with tf.init_scope():
            made = _RESIZING[op.type](images=_identity(length), size=[int(size[axis]), 1], **settings)
        pair.append(_matrix(made))
    return pair[0], pair[1]


def _identity(length: int) -> NDArray[np.float32]:
    """`(length, length, 1, 1)`: a batch of images of one column, each with a one in another row."""
    return np.eye(length, dtype=np.float32)[:, :, None, None]


def _matrix(resized: Any) -> NDArray[np.float32]:
    """What those images became, `(length, new length, 1, 1)`, as the matrix that does it."""
    return np.asarray(resized.numpy()[:, :, 0, 0].T, np.float32)


def _apply(image: Any, rows: NDArray[Any], cols: NDArray[Any]) -> Any:
    """`(b, h, w, c)` of any type of numbers to `(b, h', w', c)` float32."""
    batch, height, width, channels = image.shape.as_list()
    tall = tf.matmul(tf.constant(rows), tf.reshape(tf.cast(image, tf.float32), [batch, height, width * channels]))
    wide = tf.matmul(tf.constant(cols), tf.reshape(tall, [batch * rows.shape[0], width, channels]))
    return tf.reshape(wide, [batch, rows.shape[0], cols.shape[0], channels])
