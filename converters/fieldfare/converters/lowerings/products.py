"""Matrix products in the form that XNNPACK runs: gradients of `MatMul`, and sums of many products as one.

TFLite's converter makes `FULLY_CONNECTED` of a product with a transposed right side. XNNPACK takes that with constant
weights only; with a variable or computed right side it falls to a kernel that needs two to five times as long. Where
the left side has one more axis, of size 1, the product stays a `BATCH_MATMUL`, which XNNPACK takes, unless the right
side is a constant.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement
from fieldfare.converters.lowerings._windows import add, concat


def product(left: Any, right: Any, *, transpose_left: bool = False, transpose_right: bool = False) -> Any:
    """`left @ right` of matrices, either of them transposed."""
    if not transpose_right:
        return tf.matmul(left, right, transpose_a=transpose_left, transpose_b=transpose_right)
    deep = tf.raw_ops.BatchMatMulV2(x=tf.reshape(left, [1, *left.shape]), y=right, adj_x=transpose_left, adj_y=True)
    return tf.reshape(deep, deep.shape[1:])


@lowering("MatMul")
def matmul(op: Any, gradient: Any) -> list[Any]:
    """`dy b^T` and `a^T dy`, and the like where a side is transposed."""
    left, right = op.inputs
    turned_left, turned_right = op.get_attr("transpose_a"), op.get_attr("transpose_b")
    if turned_left:
        of_left = product(right, gradient, transpose_left=turned_right, transpose_right=True)
    else:
        of_left = product(gradient, right, transpose_right=not turned_right)
    if turned_right:
        of_right = product(gradient, left, transpose_left=True, transpose_right=turned_left)
    else:
        of_right = product(left, gradient, transpose_left=not turned_left)
    return [of_left, of_right]


@replacement("AddN", training_only=True)
def add_n(wanted: Wanted) -> Any:
    """A sum by pairs, since XNNPACK lacks ADD_N; sums over the steps of an unrolled layer become one product or sum."""
    for found in (_one_product(wanted.inputs), _one_sum(wanted.inputs)):
        if found is not None:
            return found
    return add(list(wanted.inputs))


def _one_product(terms: Sequence[Any]) -> Any:
    """`sum_t a_t^T b_t` as `a^T b` of what is stacked; None where the terms are something else."""
    ops = [one.op for one in terms]
    if not all(one.type == "MatMul" and one.get_attr("transpose_a") for one in ops):
        return None
    if any(one.get_attr("transpose_b") for one in ops):
        return None
    left, right = (concat([one.inputs[side] for one in ops], 0) for side in (0, 1))
    return product(left, right, transpose_left=True)


def _one_sum(terms: Sequence[Any]) -> Any:
    """Gradients of a bias that is added in every step: one sum over what is stacked; None for other terms."""
    ops = [one.op for one in terms]
    if not all(one.type == "BiasAddGrad" and len(one.inputs[0].shape) == 2 for one in ops):  # noqa: PLR2004
        return None
    return tf.reduce_sum(concat([one.inputs[0] for one in ops], 0), axis=0)
