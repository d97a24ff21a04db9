"""Gradients that TFLite can run: one small function for each operation whose own gradient has no builtin.

TensorFlow differentiates `Relu` by the operation `ReluGrad`, `Conv2D` by `Conv2DBackpropFilter`, and so on; the LiteRT
runtime knows none of them. A lowering says the same in terms of operations that it does know. To add one, write a
function `(op, gradient) -> input gradients`, decorate it with `@lowering("UpstreamOpName")` in the module of its kind,
import that module here, and add the operation's case to `tests/unit/converters/test_lowerings.py`.

Importing this package imports TensorFlow.
"""

from fieldfare.converters.lowerings import activation, convolution, depthwise, indexing, pooling
from fieldfare.converters.lowerings._registry import Lowering, lowered_gradients, lowered_ops, lowering

__all__ = [
    "Lowering",
    "activation",
    "convolution",
    "depthwise",
    "indexing",
    "lowered_gradients",
    "lowered_ops",
    "lowering",
    "pooling",
]
