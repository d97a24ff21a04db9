"""Gradients of element-wise activations, without comparisons: XNNPACK takes neither GREATER nor SELECT.

`_step` is the trick that all of them share: `min(relu(x) * 1e30, 1)` is 1 where x > 0 and 0 elsewhere, for every
float32 that is not within 1e-30 of zero.
"""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import lowering

_STEEP = 1e30


def _step_of_non_negative(values: Any) -> Any:
    """1 where `values` > 0, else 0; `values` >= 0."""
    return tf.minimum(values * _STEEP, 1.0)


@lowering("Relu")
def relu(op: Any, gradient: Any) -> Any:
    """`dy * [y > 0]`, as `ReluGrad`."""
    return gradient * _step_of_non_negative(op.outputs[0])


@lowering("Relu6")
def relu6(op: Any, gradient: Any) -> Any:
    """`dy * [0 < y < 6]`, as `Relu6Grad`."""
    outputs = op.outputs[0]
    return gradient * _step_of_non_negative(outputs * (6.0 - outputs))


@lowering("LeakyRelu")
def leaky_relu(op: Any, gradient: Any) -> Any:
    """`dy * (1 if x > 0 else alpha)`, as `LeakyReluGrad`."""
    alpha = op.get_attr("alpha")
    positive = _step_of_non_negative(tf.maximum(op.inputs[0], 0.0))
    return gradient * (alpha + (1.0 - alpha) * positive)


@lowering("Elu")
def elu(op: Any, gradient: Any) -> Any:
    """`dy * (1 if y > 0 else y + 1)`, as `EluGrad`."""
    return gradient * (tf.minimum(op.outputs[0], 0.0) + 1.0)


@lowering("Softsign")
def softsign(op: Any, gradient: Any) -> Any:
    """`dy / (1 + |x|)^2`, as `SoftsignGrad`."""
    return gradient / tf.square(1.0 + tf.abs(op.inputs[0]))
