"""Sliding windows along one axis: what convolution and pooling gradients are made of.

Everything is static: shapes are known, so each helper becomes a few slices, pads, reshapes and concatenations.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

_CONCAT_INPUTS = 5  # XNNPACK takes CONCATENATION with at most so many inputs


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides along one axis.

    Attributes:
        length: size of the axis.
        size: taps of the window.
        stride: distance between two positions of the window.
        dilation: distance between two taps.
        before: zeros (or lowest values) that padding puts before the axis.
        positions: places where the window stands: size of the output's axis.
    """

    length: int
    size: int
    stride: int
    dilation: int
    before: int
    positions: int

    @property
    def span(self) -> int:
        """Elements, padding included, from the first tap of the first position to the last tap of the last."""
        return (self.positions - 1) * self.stride + (self.size - 1) * self.dilation + 1


def window(length: int, size: int, *, stride: int, dilation: int, positions: int, padding: str) -> Window:
    """The window that TensorFlow's SAME or VALID padding means.

    Raises:
        ValueError: another kind of padding.
    """
    if padding not in {"SAME", "VALID"}:
        raise ValueError(f"padding {padding} has no lowering")
    needed = (positions - 1) * stride + (size - 1) * dilation + 1
    before = max(needed - length, 0) // 2 if padding == "SAME" else 0
    return Window(length, size, stride, dilation, before, positions)


def pad_axis(tensor: Any, axis: int, before: int, after: int, value: float = 0.0) -> Any:
    """Pad with `value`; negative widths cut off instead."""
    sizes = tensor.shape.as_list()
    if before < 0 or after < 0:
        begin, kept = [0] * len(sizes), list(sizes)
        begin[axis] = max(-before, 0)
        kept[axis] = sizes[axis] - max(-before, 0) - max(-after, 0)
        tensor = tf.slice(tensor, begin, kept)
    widths = [[0, 0] for _ in sizes]
    widths[axis] = [max(before, 0), max(after, 0)]
    if widths[axis] == [0, 0]:
        return tensor
    return tf.pad(tensor, widths, constant_values=value)


def fit(tensor: Any, axis: int, win: Window, value: float = 0.0) -> Any:
    """Bring the axis from `length` to `span`: pad as the operation does, cut off what no window reaches."""
    return pad_axis(tensor, axis, win.before, win.span - win.before - win.length, value)


def unfit(tensor: Any, axis: int, win: Window) -> Any:
    """The adjoint of `fit`: the axis from `span` back to `length`."""
    return pad_axis(tensor, axis, -win.before, win.length + win.before - win.span)


def tap(tensor: Any, axis: int, win: Window, index: int) -> Any:
    """What the tap `index` of the window sees at each position: the axis from `span` to `positions`."""
    rank, start = len(tensor.shape), index * win.dilation
    stop = start + (win.positions - 1) * win.stride + 1
    if win.stride == 1:
        sizes = tensor.shape.as_list()
        sizes[axis] = stop - start
        return tf.slice(tensor, [start if one == axis else 0 for one in range(rank)], sizes)
    cut = slice(start, stop, win.stride)
    return tensor[tuple(cut if one == axis else slice(None) for one in range(rank))]


def untap(tensor: Any, axis: int, win: Window, index: int) -> Any:
    """The adjoint of `tap`: the axis from `positions` to `span`, zeros where the tap never stood."""
    spread = spread_axis(tensor, axis, win.stride)
    start = index * win.dilation
    return pad_axis(spread, axis, start, win.span - start - spread.shape[axis])


def spread_axis(tensor: Any, axis: int, stride: int) -> Any:
    """Put `stride - 1` zeros between neighbours: n elements become `(n - 1) * stride + 1`."""
    if stride == 1:
        return tensor
    sizes = tensor.shape.as_list()
    inner = 1
    for size in sizes[axis + 1 :]:
        inner *= size
    outer = 1
    for size in sizes[: axis + 1]:
        outer *= size
    rows = tf.pad(tf.reshape(tensor, [outer, 1, inner]), [[0, 0], [0, stride - 1], [0, 0]])
    wide = sizes.copy()
    wide[axis] = sizes[axis] * stride
    return pad_axis(tf.reshape(rows, wide), axis, 0, 1 - stride)


def concat(tensors: list[Any], axis: int) -> Any:
    """`tf.concat` in steps of as many inputs as XNNPACK takes at once."""
    while len(tensors) > 1:
        tensors = [
            tensors[start] if start + 1 == len(tensors) else tf.concat(tensors[start : start + _CONCAT_INPUTS], axis)
            for start in range(0, len(tensors), _CONCAT_INPUTS)
        ]
    return tensors[0]


def add(tensors: list[Any]) -> Any:
    """Sum by pairs: XNNPACK takes ADD but not ADD_N."""
    while len(tensors) > 1:
        tensors = [sum(tensors[start + 1 : start + 2], tensors[start]) for start in range(0, len(tensors), 2)]
    return tensors[0]
