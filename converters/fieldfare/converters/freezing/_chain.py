"""Operators that take the place of one, each fed with the one before."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import DTYPES, add_buffer, add_tensor, new_operator, walk

_FLOAT32 = schema.TensorType.FLOAT32
_TYPES = {name: kind for kind, name in DTYPES.items()}


class Chain:
    """A value of a subgraph and the operators that make it from the value before.

    Args:
        start: index of the tensor that the chain begins with.
        name: what the new tensors are named after.
    """

    def __init__(self, tree: Any, subgraph: Any, start: int, name: bytes) -> None:
        self._tree, self._subgraph, self.name = tree, subgraph, name
        self.value = start
        self.operators: list[Any] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return tuple(walk(self._subgraph.tensors[self.value].shape))

    def constant(self, array: NDArray[Any]) -> int:
        """Index of a new constant tensor."""
        kind = _TYPES[array.dtype.name]
        return add_tensor(self._subgraph, self.name + b"/constant", array.shape, kind, add_buffer(self._tree, array))

    def then(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: Any,
        *,
        kind: int = _FLOAT32,
        version: int = 1,
    ) -> None:
        """Append the operator `name`, whose output becomes the value."""
        label = self.name + b"/" + name.lower().encode()
        output = add_tensor(self._subgraph, label, shape, kind)
        self.operators.append(new_operator(self._tree, name, inputs, [output], options, version))
        self.value = output

    def reshape(self, shape: Sequence[int]) -> None:
        """The value in another shape; nothing where it has that shape."""
        if tuple(shape) == self.shape:
            return
        wanted = np.array(shape, np.int32)
        options = schema.ReshapeOptionsT()
        options.newShape = wanted
        self.then("RESHAPE", [self.value, self.constant(wanted)], shape, options)

    def transpose(self) -> None:
        """The value, a matrix, with its axes swapped."""
        order = self.constant(np.array([1, 0], np.int32))
        self.then("TRANSPOSE", [self.value, order], self.shape[::-1], schema.TransposeOptionsT())

    def multiply(self, factor: int) -> None:
        """The value times a tensor that broadcasts to it."""
        self.then("MUL", [self.value, factor], self.shape, schema.MulOptionsT())

    def add(self, term: int, activation: int) -> None:
        """The value plus a tensor that broadcasts to it, through a `schema.ActivationFunctionType`."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = activation
        self.then("ADD", [self.value, term], self.shape, options)

    def zero(self, *, kind: int = _FLOAT32) -> None:
        """A `(1,)` zero that is there once the value is: the largest of one number has the index 0, whatever it is."""
        axes = len(self.shape)
        corner = [self.constant(np.full(axes, one, np.int32)) for one in (0, 1)]
        self.then("SLICE", [self.value, *corner], (1,) * axes, schema.SliceOptionsT())
        self.reshape((1, 1))
        options = schema.ArgMaxOptionsT()
        options.outputType = schema.TensorType.INT32
        self.then("ARG_MAX", [self.value, self.constant(np.array(1, np.int32))], (1,), options, kind=options.outputType)
        if kind == _FLOAT32:
            cast = schema.CastOptionsT()
            cast.inDataType, cast.outDataType = schema.TensorType.INT32, _FLOAT32
            self.then("CAST", [self.value], (1,), cast)

    def end(self, output: int) -> list[Any]:
        """Let the chain end in a tensor that exists, and return its operators."""
        self.operators[-1].outputs = [output]
        return self.operators
