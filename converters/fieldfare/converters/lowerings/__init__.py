"""Gradients that TFLite can run: one small function for each operation whose own gradient has no builtin.

TensorFlow differentiates `Relu` by the operation `ReluGrad`, `Conv2D` by `Conv2DBackpropFilter`, and so on; the LiteRT
runtime knows none of them. A lowering says the same in terms of operations that it does know. To add one, write a
function `(op, gradient) -> input gradients`, decorate it with `@lowering("UpstreamOpName")` in the module of its kind,
import that module here, and add the operation's case to `tests/unit/converters/test_lowerings.py`.

Where the operation itself is missing (`Erf`), or another form of it trains faster, `@replacement("UpstreamOpName")` on
a function `(wanted) -> tensor` takes its place wherever the traced code asks for it.

Importing this package imports TensorFlow.
"""

from fieldfare.converters.lowerings import (
    activation,
    convolution,
    counting,
    depthwise,
    error_function,
    indexing,
    pooling,
    products,
    random,
    ranking,
    reductions,
    resizing,
    running_products,
    volumes,
)
from fieldfare.converters.lowerings._registry import (
    Lowering,
    Refusal,
    Replacement,
    Wanted,
    lowered_graph,
    lowered_ops,
    lowering,
    replaced_ops,
    replacement,
)

__all__ = [
    "Lowering",
    "Refusal",
    "Replacement",
    "Wanted",
    "activation",
    "convolution",
    "counting",
    "depthwise",
    "error_function",
    "indexing",
    "lowered_graph",
    "lowered_ops",
    "lowering",
    "pooling",
    "products",
    "random",
    "ranking",
    "reductions",
    "replaced_ops",
    "replacement",
    "resizing",
    "running_products",
    "volumes",
]
