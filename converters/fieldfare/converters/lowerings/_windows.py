"""Sliding windows along one axis: what convolution and pooling are made of.

Everything is static: shapes are known, so each helper becomes a few slices, pads, reshapes and concatenations, all of
which XNNPACK runs.
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

    @property
    def blocks(self) -> int:
        """Groups of `stride` elements in the span, the last one filled up."""
        return -(-self.span // self.stride)


def window(length: int, size: int, *, stride: int, dilation: int, padding: str) -> Window:
    """The window that TensorFlow's SAME or VALID padding means.

    Raises:
        ValueError: another kind of padding, or a window that is larger than what it slides along.
    """
    if padding not in {"SAME", "VALID"}:
        raise ValueError(f"padding {padding} has no lowering")
    same = padding == "SAME"
    reach = (size - 1) * dilation
    positions = -(-(length if same else length - reach) // stride)
    if positions < 1:
        raise ValueError(f"a window of {reach + 1} does not fit into {length}: there is no output")
    before = max((positions - 1) * stride + reach + 1 - length, 0) // 2 if same else 0
    return Window(length, size, stride, dilation, before, positions)


def pad(tensor: Any, widths: dict[int, tuple[int, int]], value: float = 0.0) -> Any:
    """Put `value` before and after the axes, as many as `widths` says; negative widths cut off instead."""
    sizes = tensor.shape.as_list()
    begin, kept, padding = [0] * len(sizes), list(sizes), [[0, 0] for _ in sizes]
    for axis, (before, after) in widths.items():
        begin[axis] = max(-before, 0)
        kept[axis] -= max(-before, 0) + max(-after, 0)
        padding[axis] = [max(before, 0), max(after, 0)]
    if kept != sizes:
        tensor = tf.slice(tensor, begin, kept)
    return tf.pad(tensor, padding, constant_values=value) if any(map(any, padding)) else tensor


def cut(tensor: Any, start: dict[int, int], count: dict[int, int]) -> Any:
    """`count` elements of some axes, beginning at `start`."""
    sizes = tensor.shape.as_list()
    begin = [start.get(axis, 0) for axis in range(len(sizes))]
    kept = [count.get(axis, size) for axis, size in enumerate(sizes)]
    return tensor if kept == sizes else tf.slice(tensor, begin, kept)


def fit(tensor: Any, windows: dict[int, Window], value: float = 0.0) -> Any:
    """Bring each axis from `length` to `span`: pad as the operation does, cut off what no window reaches."""
    return pad(tensor, {axis: (one.before, one.span - one.before - one.length) for axis, one in windows.items()}, value)


def tap(tensor: Any, axis: int, win: Window, index: int) -> Any:
    """What the tap `index` of the window sees at each position: an axis other than the last, `span` to `positions`.

    A stride is a reshape and a contiguous slice, since XNNPACK takes no slice with a step.
    """
    start = index * win.dilation
    if win.stride == 1:
        return cut(tensor, {axis: start}, {axis: win.positions})
    sizes = tensor.shape.as_list()
    inner = sizes[axis + 1]
    whole = pad(tensor, {axis: (0, win.blocks * win.stride - win.span)})
    folded = tf.reshape(whole, [*sizes[:axis], win.blocks, win.stride * inner, *sizes[axis + 2 :]])
    block, phase = divmod(start, win.stride)
    return cut(folded, {axis: block, axis + 1: phase * inner}, {axis: win.positions, axis + 1: inner})


def untaps(parts: list[Any], axis: int, win: Window) -> Any:
    """The adjoint of `fit` and all taps: one tensor for each tap, the axis from `positions` to `length`, summed."""
    if win.stride > 1:
        return _untaps_with_stride(parts, axis, win)
    starts = [index * win.dilation - win.before for index in range(win.size)]
    whole = [
        pad(part, {axis: (start, win.length - start - win.positions)})
        for start, part in zip(starts, parts, strict=True)
    ]
    return add(whole)


def _untaps_with_stride(parts: list[Any], axis: int, win: Window) -> Any:
    """Sum the taps of each phase of the stride, then put the phases side by side."""
    phases: list[list[Any]] = [[] for _ in range(win.stride)]
    for index, part in enumerate(parts):
        block, phase = divmod(index * win.dilation, win.stride)
        phases[phase].append(pad(part, {axis: (block, win.blocks - block - win.positions)}))
    sizes = parts[0].shape.as_list()
    sizes[axis] = win.blocks
    sums = [add(one) if one else tf.zeros(sizes) for one in phases]
    sizes[axis] *= win.stride
    whole = tf.reshape(concat(sums, axis + 1), sizes)
    return pad(whole, {axis: (-win.before, win.length + win.before - sizes[axis])})


def untaps_grouped(tensor: Any, axis: int, win: Window) -> Any:
    """As `untaps`, with the tensors side by side in groups of the last axis: padded once, then cut and summed."""
    width, last = tensor.shape[-1] // win.size, len(tensor.shape) - 1
    if win.stride > 1:
        return untaps([cut(tensor, {last: index * width}, {last: width}) for index in range(win.size)], axis, win)
    before = max((win.size - 1) * win.dilation - win.before, 0)
    padded = pad(tensor, {axis: (before, max(win.length + win.before - win.positions, 0))})
    first = before + win.before
    return add(
        [
            cut(padded, {axis: first - index * win.dilation, last: index * width}, {axis: win.length, last: width})
            for index in range(win.size)
        ]
    )


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
    return pad(tf.reshape(rows, wide), {axis: (0, 1 - stride)})


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
