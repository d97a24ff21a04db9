"""What a lowered graph computes, beside what TensorFlow computes by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings import lowered_graph

# Parts of the names of operations that no plan may hold. TFLite has CONV_3D, but does not train it.
_FORBIDDEN = (
    *("Grad", "BackpropFilter", "UnsortedSegmentSum", "Conv3D", "Pool3D", "Cumprod", "Erf", "Bincount", "InTopK"),
    *("ResizeBicubic", "ScaleAndTranslate"),
)
_FOLDED = "BroadcastGradientArgs"  # of static shapes: the converter makes constants of it
_VOLUME_AXES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A function that asks for an operation which has a lowering or a replacement.

    Attributes:
        op: TensorFlow's name of the operation.
        function: tensors to a tensor.
        inputs: an array for each tensor, or the shape of one to draw.
        reference: the same function in other operations, where TensorFlow's own do not run on a processor, or where
            their gradient is not a number.
    """

    op: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    reference: Callable[..., Any] | None = None

    def arrays(self) -> list[Any]:
        """The inputs, standard normal float32 where only their shape is given."""
        draw = np.random.default_rng(0)
        return [
            one if isinstance(one, np.ndarray) else draw.standard_normal(one).astype(np.float32) for one in self.inputs
        ]


def graph_of(function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
    """A function of tensors as a graph that can be called."""
    return tf.function(function, autograph=False).get_concrete_function(
        *[tf.TensorSpec(one.shape, one.dtype) for one in arrays]
    )


def check(case: Case) -> None:
    """Value and gradients are TensorFlow's in a graph that trains, and the value in one that does not.

    There is no gradient where an input or the value is not made of floats.

    Raises:
        AssertionError: they are not, or the case does not ask for its operation, or TFLite lacks what is left.
    """
    arrays = case.arrays()
    assert case.op in {one.type for one in graph_of(case.function, arrays).graph.get_operations()}
    values = [tf.constant(one) for one in arrays]
    reference = case.reference or case.function
    with tf.GradientTape() as tape:
        tape.watch([one for one in values if one.dtype.is_floating])
        expected = [reference(*values)]
        differentiable = all(one.dtype.is_floating for one in [*values, *expected])
        upstream = np.random.default_rng(1).standard_normal(expected[0].shape).astype(np.float32)
        total = tf.reduce_sum(expected[0] * upstream) if differentiable else None
    expected += tape.gradient(total, values) if differentiable else []

    def training(*values: Any) -> Any:
        with lowered_graph(training=True):
            value = case.function(*values)
            slopes = tf.gradients(tf.reduce_sum(value * upstream), list(values)) if differentiable else []
            return [value, *slopes]

    def resting(*values: Any) -> Any:
        with lowered_graph(training=False):
            return [case.function(*values)]

    for function, wanted in ((training, expected), (resting, expected[:1])):
        graph = graph_of(function, arrays)
        for got, want in zip(graph(*values), wanted, strict=True):
            assert got.dtype == want.dtype
            _assert_close(got.numpy(), want.numpy())
        _assert_convertible(graph.graph.get_operations())


def _assert_close(value: Any, expected: Any) -> None:
    assert np.isfinite(expected).all()
    if not np.issubdtype(expected.dtype, np.floating):
        np.testing.assert_array_equal(value, expected)
        return
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=0.0))


def _assert_convertible(ops: Sequence[Any]) -> None:
    forbidden = {one.type for one in ops if any(part in one.type for part in _FORBIDDEN)} - {_FOLDED}
    forbidden |= {
        one.type
        for one in ops
        if one.type in {"SpaceToBatchND", "BatchToSpaceND"} and len(one.inputs[0].shape) == _VOLUME_AXES
    }
    forbidden |= {one.type for one in ops if one.type == "FloorDiv" and one.inputs[0].dtype == tf.int64}
    assert not forbidden
