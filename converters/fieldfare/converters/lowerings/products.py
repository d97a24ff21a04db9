"""Matrix products in the form that XNNPACK runs: gradients of `MatMul`, and sums of many products as one.

TFLite's converter makes `FULLY_CONNECTED` of a product with a transposed right side. XNNPACK takes that with constant
weights only; with a variable or computed right side it falls to a kernel that needs two to five times as long. Where
the left side has one more axis, of size 1, the product stays a `BATCH_MATMUL`, which XNNPACK takes, unless the right
side is a constant.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, lowering, replacement
from fieldfare.converters.lowerings._windows import add, concat

_MOST_AXES = 5  # of a product of TFLite

# In each graph that is traced: what `_whole` has multiplied already, by the sequence's and the variable's name.
_WHOLE: WeakKeyDictionary[Any, dict[tuple[str, str], list[Any]]] = WeakKeyDictionary()


def product(left: Any, right: Any, *, transpose_left: bool = False, transpose_right: bool = False) -> Any:
    """`left @ right` of matrices, either of them transposed."""
    if not transpose_right:
        return tf.matmul(left, right, transpose_a=transpose_left, transpose_b=transpose_right)
    deep = tf.raw_ops.BatchMatMulV2(x=tf.reshape(left, [1, *left.shape]), y=right, adj_x=transpose_left, adj_y=True)
    return tf.reshape(deep, deep.shape[1:])


@replacement("MatMul", training_only=True)
def step_product(wanted: Wanted) -> Any:
    """In an unrolled layer each step multiplies its slice of a sequence with the same weights: do it once for all."""
    left, right = wanted.inputs
    if left.op.type != "Unpack" or left.op.get_attr("axis") != 0 or len(left.shape) != 2:  # noqa: PLR2004
        return None
    if wanted.get_attr("transpose_a") or wanted.get_attr("transpose_b") or not _only_read(right):
        return None
    done = _WHOLE.setdefault(left.graph, {})
    key = (left.op.name, right.op.inputs[0].name)
    if key not in done:
        sequence = left.op.inputs[0]
        flat = tf.matmul(tf.reshape(sequence, [-1, sequence.shape[2]]), right)
        done[key] = tf.unstack(tf.reshape(flat, [*sequence.shape[:2], right.shape[1]]))
    return done[key][left.value_index]


def _only_read(weights: Any) -> bool:
    """Whether a tensor is a variable's value that the graph has not changed so far."""
    if weights.op.type != "ReadVariableOp":
        return False
    return not any(one.type.startswith("Assign") for one in weights.op.inputs[0].consumers())


@replacement("Einsum", training_only=True)
def einsum(wanted: Wanted) -> Any:
    """`...c,c...->...`, a dense layer of several axes, as a product of matrices, whose gradients are products too.

    TensorFlow's own gradient makes a matrix for each example and adds them up.
    """
    terms, result = wanted.get_attr("equation").decode().split("->")
    if "." in terms or terms.count(",") != 1:
        return None
    (left, right), tensors = terms.split(","), wanted.inputs
    shared = [one for one in left if one in right]
    count = len(shared)
    kept_left, kept_right = left[: len(left) - count], right[count:]
    if (
        not count
        or [*left[len(kept_left) :]] != shared
        or [*right[:count]] != shared
        or result != kept_left + kept_right
    ):
        return None
    depth = 1
    for size in tensors[1].shape[:count]:
        depth *= size
    flat = tf.matmul(tf.reshape(tensors[0], [-1, depth]), tf.reshape(tensors[1], [depth, -1]))
    return tf.reshape(flat, [*tensors[0].shape[: len(kept_left)], *tensors[1].shape[count:]])


@replacement("BatchMatMulV2")
def of_many_axes(wanted: Wanted) -> Any:
    """`...c,cd->...d`, a dense layer of six axes or more, as a product of matrices; None for what TFLite multiplies.

    Keras before 3.15 asks for it; later releases make a product of matrices themselves.
    """
    left, right = wanted.inputs
    if len(left.shape) <= _MOST_AXES or len(right.shape) != 2:  # noqa: PLR2004
        return None
    if wanted.get_attr("adj_x") or wanted.get_attr("adj_y"):
        return None
    flat = tf.matmul(tf.reshape(left, [-1, left.shape[-1]]), right)
    return tf.reshape(flat, [*left.shape[:-1], right.shape[1]])


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
    stacks = [_summed(one) for one in terms]
    if any(one is None for one in stacks):
        return None
    return tf.reduce_sum(concat(stacks, 0), axis=0)


def _summed(tensor: Any) -> Any:
    """The matrix whose rows the tensor is the sum of; None where it is something else."""
    op = tensor.op
    if op.type == "Reshape" and len(tensor.shape) == 1:
        op = op.inputs[0].op
    if op.type not in {"BiasAddGrad", "Sum"} or len(op.inputs[0].shape) != 2:  # noqa: PLR2004
        return None
    if op.type == "Sum" and np.ravel(tf.get_static_value(op.inputs[1])).tolist() != [0]:
        return None
    return op.inputs[0]
