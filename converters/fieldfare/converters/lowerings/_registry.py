"""Which gradient function stands in for TensorFlow's own, by the upstream name of the operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

Lowering = Callable[..., Any]
"""`(op, *output_gradients) -> gradient of each input`, built from operations that are TFLite builtins."""

_PREFIX = "Fieldfare"
_REGISTRY: dict[str, Lowering] = {}


def lowering(op_type: str) -> Callable[[Lowering], Lowering]:
    """Register a function as the gradient of `op_type` in every graph that a plan is traced in.

    Args:
        op_type: TensorFlow's name of the operation in the *forward* graph, such as "Conv2D".

    Raises:
        KeyError: the operation has a lowering already.
    """

    def register(function: Lowering) -> Lowering:
        tf.RegisterGradient(_PREFIX + op_type)(function)
        _REGISTRY[op_type] = function
        return function

    return register


def lowered_ops() -> tuple[str, ...]:
    """Names of the operations that have a lowering, sorted."""
    return tuple(sorted(_REGISTRY))


@contextmanager
def lowered_gradients() -> Iterator[None]:
    """Let operations that are created inside use the lowerings under `tf.gradients`.

    Must be entered inside the graph that is traced; `tf.GradientTape` ignores it.
    """
    graph = tf.compat.v1.get_default_graph()
    with graph.gradient_override_map({name: _PREFIX + name for name in _REGISTRY}):
        yield
