"""Which function stands in for an operation that TFLite lacks, or for its gradient, by TensorFlow's name of it.

Two registries. A *lowering* stands in for TensorFlow's gradient of an operation. A *replacement* stands in for the
operation itself: where the traced code would create it, the function is called instead. Both work on operations, not
on layers, so that it makes no difference which layer, loss or function of the user's own asks for them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import tensorflow as tf

Lowering = Callable[..., Any]
"""`(op, *output_gradients) -> gradient of each input`, built from operations that are TFLite builtins."""

_PREFIX = "Fieldfare"
_LOWERINGS: dict[str, Lowering] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An operation that the traced code asks for and that is not in the graph.

    Attributes:
        type: TensorFlow's name of it.
        inputs: its input tensors.
        index: how many operations of this type the graph has asked for before.
        phase: `()` float32 that differs from step to step; None outside of training.
        trained: handles, in the graph, of the variables that the graph will be differentiated by.
    """

    type: str
    inputs: tuple[Any, ...]
    index: int
    phase: Any
    trained: tuple[Any, ...]
    _attributes: Mapping[str, Any] = field(repr=False)

    def is_frozen(self, tensor: Any) -> bool:
        """Whether a tensor is the value of a variable that does not train: a constant of the plan."""
        source = tensor.op
        while source.type in {"Cast", "Identity", "Reshape"}:
            source = source.inputs[0].op
        return source.type == "ReadVariableOp" and not any(source.inputs[0] is one for one in self.trained)

    def get_attr(self, name: str) -> Any:
        """The attribute as `tf.Operation.get_attr` gives it: numbers, bytes, or a list of them.

        Raises:
            KeyError: there is no such attribute.
        """
        value = self._attributes[name]
        kind = value.WhichOneof("value")
        if kind != "list":
            return getattr(value, kind)
        filled = [entries for _, entries in value.list.ListFields()]
        return list(filled[0]) if filled else []


Replacement = Callable[[Wanted], Any]
"""`(wanted) -> tensor` to use in its place; None lets the operation be created after all."""


@dataclass(frozen=True, slots=True)
class _Replacement:
    function: Replacement
    training_only: bool


_REPLACEMENTS: dict[str, _Replacement] = {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation that its lowering does not take, and why."""

    op: Any
    reason: str


_REFUSALS: WeakKeyDictionary[Any, list[Refusal]] = WeakKeyDictionary()
"""Graph that is traced to where its refusals are kept."""


def lowering(op_type: str) -> Callable[[Lowering], Lowering]:
    """Register a function as the gradient of `op_type` in every graph that a plan is traced in.

    Args:
        op_type: TensorFlow's name of the operation in the *forward* graph, such as "Conv2D".
    """

    def register(function: Lowering) -> Lowering:
        tf.RegisterGradient(_PREFIX + op_type)(_noting_refusals(function))
        _LOWERINGS[op_type] = function
        return function

    return register


def _noting_refusals(function: Lowering) -> Lowering:
    """The lowering; where it does not take an operation and refusals are kept, zeros, so that all are found."""

    def gradients(op: Any, *upstream: Any) -> Any:
        try:
            return function(op, *upstream)
        except ValueError as error:
            if op.graph not in _REFUSALS:
                raise
            _REFUSALS[op.graph].append(Refusal(op, str(error)))
            return [tf.zeros_like(one) if one.dtype.is_floating else None for one in op.inputs]

    return gradients


def replacement(op_type: str, *, training_only: bool = False) -> Callable[[Replacement], Replacement]:
    """Register a function that is called instead of creating an operation with one output.

    Args:
        op_type: TensorFlow's name of the operation, such as "Erf".
        training_only: leave the operation as it is where nothing is differentiated (evaluate, infer).
    """

    def register(function: Replacement) -> Replacement:
        _REPLACEMENTS[op_type] = _Replacement(function, training_only)
        return function

    return register


def lowered_ops() -> tuple[str, ...]:
    """Names of the operations whose gradient has a lowering, sorted."""
    return tuple(sorted(_LOWERINGS))


def replaced_ops() -> tuple[str, ...]:
    """Names of the operations that are replaced, sorted."""
    return tuple(sorted(_REPLACEMENTS))


@contextmanager
def lowered_graph(
    *, training: bool, phase: Any = None, trained: Sequence[Any] = (), refusals: list[Refusal] | None = None
) -> Iterator[None]:
    """Replace operations that are created inside, and use the lowerings for `tf.gradients` of the others.

    Must be entered inside the graph that is traced; `tf.GradientTape` ignores the lowerings.

    Args:
        training: whether the graph will be differentiated.
        phase: `()` float32 for random operations, different for each step.
        trained: the raw variables that it will be differentiated by.
        refusals: receives the operations that their lowerings do not take; None lets these raise a ValueError.
    """
    graph = tf.compat.v1.get_default_graph()
    handles = tuple(graph.capture(one.handle) for one in trained)
    create = graph._create_op_internal  # the one way by which TensorFlow adds an operation to a graph
    if refusals is not None:
        _REFUSALS[graph] = refusals
    busy: list[str] = []
    counts: dict[str, int] = {}

    def create_or_replace(op_type: str, inputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        found = _REPLACEMENTS.get(op_type)
        # A replacement may need the operation that it stands in for: on other shapes, for instance.
        if found is None or op_type in busy or (found.training_only and not training):
            return create(op_type, inputs, *args, **kwargs)
        counts[op_type] = counts.get(op_type, -1) + 1
        wanted = Wanted(op_type, tuple(inputs), counts[op_type], phase, handles, kwargs.get("attrs") or {})
        busy.append(op_type)
        try:
            result = found.function(wanted)
        finally:
            busy.pop()
        if result is None:
            return create(op_type, inputs, *args, **kwargs)
        return result.op if result.value_index == 0 and len(result.op.outputs) == 1 else tf.identity(result).op

    graph._create_op_internal = create_or_replace
    try:
        with graph.gradient_override_map({name: _PREFIX + name for name in _LOWERINGS}):
            yield
    finally:
        del graph._create_op_internal
        _REFUSALS.pop(graph, None)
