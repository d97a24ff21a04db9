"""Products along an axis: TFLite has no `Cumprod`, which TensorFlow also differentiates `Prod` with.

Both are written out, one multiplication for each element of the axis: made for short axes.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement


@lowering("Prod")
def prod(op: Any, gradient: Any) -> list[Any]:
    """`dy` times the product of all others, which is right where elements are zero, too.

    Raises:
        ValueError: axes that are not constant.
    """
    values, axes = op.inputs[0], tf.get_static_value(op.inputs[1])
    if axes is None:
        raise ValueError("a product along computed axes has no lowering")
    sizes = values.shape.as_list()
    reduced = sorted({int(axis) % len(sizes) for axis in np.ravel(axes)})
    order = [*(one for one in range(len(sizes)) if one not in reduced), *reduced]
    count = math.prod(sizes[axis] for axis in reduced)
    parts = tf.unstack(tf.reshape(tf.transpose(values, order), [-1, count]), axis=1)
    before, after = _running(parts), _running(parts[::-1])[::-1]
    flat = tf.reshape(gradient, [-1])
    slopes = [flat * one * other for one, other in zip(before, after, strict=True)]
    whole = tf.reshape(tf.stack(slopes, axis=1), [sizes[axis] for axis in order])
    return [tf.transpose(whole, [order.index(axis) for axis in range(len(sizes))]), None]


@replacement("Cumprod")
def cumprod(wanted: Wanted) -> Any:
    """The product of all elements up to each; None along an axis that is not constant."""
    values, axis = wanted.inputs[0], tf.get_static_value(wanted.inputs[1])
    if axis is None:
        return None
    parts = tf.unstack(values, axis=int(axis))
    if wanted.get_attr("reverse"):
        parts.reverse()
    products = _running(parts)
    if not wanted.get_attr("exclusive"):
        products = [one * part for one, part in zip(products, parts, strict=True)]
    if wanted.get_attr("reverse"):
        products.reverse()
    return tf.stack(products, axis=int(axis))


def _running(parts: list[Any]) -> list[Any]:
    """For each part the product of those before it; ones for the first."""
    products = [tf.ones_like(parts[0])]
    for part in parts[:-1]:
        products.append(products[-1] * part)
    return products
