"""`Conv2D` and its transpose by columns: im2col in two passes and one matrix product, forwards and backwards.

XNNPACK runs no convolution whose filter is a variable, but it runs all of this. Two passes (along the width, then along
the height) copy less than one pass over all kernel offsets does; the forward pass leaves its columns to the gradient of
the filter. Columns are many times larger than the picture, so they are made for a few examples at a time, which keeps
them in the processor's cache. Figures: docs/training_speed.md.
"""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement
from fieldfare.converters.lowerings._windows import (
    Window,
    add,
    concat,
    cut,
    fit,
    tap,
    untaps_grouped,
    window,
)
from fieldfare.converters.lowerings.products import product

_CACHE_BYTES = 400_000  # of columns at a time: they are written and read again while they are in a level 2 cache
_FEW_CHANNELS = 4  # fewer than a vector register holds: columns of them are laid out line by line
_MOST_PARTS = 16  # of a batch: each part has operations of its own in the plan


def windows_2d(op: Any, image: Any, kernel_size: tuple[int, int]) -> tuple[Window, Window]:
    """The windows along height and width of an operation with strides, padding and dilations.

    Args:
        op: holds the attributes.
        image: `(b, h, w, c)`: what the windows slide over.
        kernel_size: taps along height and width.

    Raises:
        ValueError: a data format or a padding that has no lowering.
    """
    if op.get_attr("data_format") != b"NHWC":
        raise ValueError("only the data format channels_last has a lowering")
    strides, dilations = op.get_attr("strides"), op.get_attr("dilations") or [1, 1, 1, 1]
    pair = [
        window(
            image.shape[axis],
            kernel_size[axis - 1],
            stride=strides[axis],
            dilation=dilations[axis],
            padding=op.get_attr("padding").decode(),
        )
        for axis in (1, 2)
    ]
    return pair[0], pair[1]


def columns(image: Any, rows: Window, cols: Window) -> Any:
    """What each window sees: `(b, h, w, c)` to `(b * h' * w', kh * kw * c)`, in the order of a kernel's axes."""
    fitted = fit(image, {1: rows, 2: cols})
    wide = concat([tap(fitted, 2, cols, index) for index in range(cols.size)], 3)
    both = concat([tap(wide, 1, rows, index) for index in range(rows.size)], 3)
    return tf.reshape(both, [-1, both.shape[3]])


def flat_columns(image: Any, rows: Window, cols: Window) -> Any:
    """The transpose of `columns`, `(kh * kw * c, b * h' * w')`, for few channels: what it copies is lines of pixels."""
    fitted = tf.transpose(fit(image, {1: rows, 2: cols}), [3, 0, 1, 2])
    wide = concat([cut(fitted, {3: one * cols.dilation}, {3: cols.positions}) for one in range(cols.size)], 0)
    both = concat([tap(wide, 2, rows, index) for index in range(rows.size)], 0)
    return tf.reshape(both, [both.shape[0], -1])


def uncolumns(gradient: Any, batch: int, rows: Window, cols: Window) -> Any:
    """The adjoint of `columns`: `(b * h' * w', kh * kw * c)` to `(b, h, w, c)`, adding up what overlaps."""
    both = tf.reshape(gradient, [batch, rows.positions, cols.positions, gradient.shape[1]])
    return untaps_grouped(untaps_grouped(both, 1, rows), 2, cols)


def parts_of(batch: int, bytes_each: int) -> list[tuple[int, int]]:
    """First example and number of examples of each part of the batch whose columns fit into the cache."""
    fitting = max(_CACHE_BYTES // bytes_each, -(-batch // _MOST_PARTS), 1)
    count = -(-batch // fitting)
    size = -(-batch // count)
    return [(start, min(size, batch - start)) for start in range(0, batch, size)]


class _Convolution:
    """A convolution with one group: the image's columns times the kernel.

    Args:
        image: `(b, h, w, c)`.
        kernel: `(kh, kw, c, f)`.
    """

    def __init__(self, image: Any, kernel: Any, rows: Window, cols: Window) -> None:
        self._rows, self._cols, self._kernel_shape = rows, cols, kernel.shape.as_list()
        self._matrix = tf.reshape(kernel, [-1, self._kernel_shape[3]])
        batch, places = image.shape[0], rows.positions * cols.positions
        self._parts = [(0, batch)]
        if rows.size * cols.size > 1:
            self._parts = parts_of(batch, 4 * places * self._matrix.shape[0])
        self._flat = image.shape[3] <= _FEW_CHANNELS and cols.stride == 1 and rows.size * cols.size > 1
        make = flat_columns if self._flat else columns
        self._columns = [make(cut(image, {0: start}, {0: size}), rows, cols) for start, size in self._parts]

    def result(self) -> Any:
        """`(b, h', w', f)`."""
        flat = [product(seen, self._matrix, transpose_left=self._flat) for seen in self._columns]
        return concat([self._unflat(one, size) for one, (_, size) in zip(flat, self._parts, strict=True)], 0)

    def gradients(self, upstream: Any) -> tuple[Any, Any]:
        """Of image and kernel, for `upstream` `(b, h', w', f)`."""
        images, kernels = [], []
        for seen, (start, size) in zip(self._columns, self._parts, strict=True):
            flat = tf.reshape(cut(upstream, {0: start}, {0: size}), [-1, upstream.shape[3]])
            kernels.append(product(seen, flat, transpose_left=not self._flat))
            back = product(flat, self._matrix, transpose_right=True)
            images.append(uncolumns(back, size, self._rows, self._cols))
        return concat(images, 0), tf.reshape(add(kernels), self._kernel_shape)

    def _unflat(self, flat: Any, size: int) -> Any:
        return tf.reshape(flat, [size, self._rows.positions, self._cols.positions, flat.shape[1]])


def _grouped(image: Any, kernel: Any, rows: Window, cols: Window) -> list[_Convolution]:
    """One convolution for each group: the kernel's channels say how many of the image's belong together."""
    channels, filters = kernel.shape[2], kernel.shape[3]
    groups = image.shape[3] // channels
    each = filters // groups
    return [
        _Convolution(
            cut(image, {3: group * channels}, {3: channels}), cut(kernel, {3: group * each}, {3: each}), rows, cols
        )
        for group in range(groups)
    ]


def _gradients(groups: list[_Convolution], upstream: Any) -> tuple[Any, Any]:
    """Of image and kernel."""
    each = upstream.shape[3] // len(groups)
    pairs = [one.gradients(cut(upstream, {3: index * each}, {3: each})) for index, one in enumerate(groups)]
    return concat([one for one, _ in pairs], 3), concat([one for _, one in pairs], 3)


@replacement("Conv2D", training_only=True)
def conv2d(wanted: Wanted) -> Any:
    """The convolution and its gradients; any stride, dilation and number of groups, SAME and VALID.

    A frozen kernel is a constant of the plan, and XNNPACK runs a convolution with it faster than anything else: None.

    Raises:
        ValueError: a data format or a padding that has no lowering.
    """
    if wanted.is_frozen(wanted.inputs[1]):
        return None
    kernel_shape = wanted.inputs[1].shape
    rows, cols = windows_2d(wanted, wanted.inputs[0], (kernel_shape[0], kernel_shape[1]))

    def convolved(image: Any, kernel: Any) -> Any:
        groups = _grouped(image, kernel, rows, cols)

        return concat([one.result() for one in groups], 3), lambda upstream: _gradients(groups, upstream)

    return tf.custom_gradient(convolved)(*wanted.inputs)


@lowering("Conv2D")
def conv2d_gradient(op: Any, gradient: Any) -> list[Any]:
    """Gradients of a convolution that stayed one: that of its image, for what trains below it, and of its kernel.

    Raises:
        ValueError: a data format or a padding that has no lowering.
    """
    image, kernel = op.inputs
    rows, cols = windows_2d(op, image, (kernel.shape[0], kernel.shape[1]))
    return list(_gradients(_grouped(image, kernel, rows, cols), gradient))


@lowering("Conv2DBackpropInput")
def conv2d_transpose(op: Any, gradient: Any) -> list[Any]:
    """Gradients of sizes (none), kernel and image of a transposed convolution, whose image is a convolution's dy."""
    kernel, image = op.inputs[1], op.inputs[2]
    rows, cols = windows_2d(op, gradient, (kernel.shape[0], kernel.shape[1]))
    convolution = _Convolution(gradient, kernel, rows, cols)
    return [None, convolution.gradients(image)[1], convolution.result()]
