"""A float inference model with its large weights as int8, unpacked when the model is loaded: a quarter of the file."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import constant, is_op, pack, parse, prune_buffers
from fieldfare.converters._inference._graph import new_constant, new_op_code

_SMALLEST = 512
"""Elements below which a tensor stays float: scales and an operator would take what is saved."""
_LARGEST_CODE = 127
_SCALE_PER_CHANNEL = 5
"""Version of DEQUANTIZE from which it knows more than one scale."""
# Operator to the place of its weights among the inputs and the axis along which each slice gets a scale.
_WEIGHTS = {
    "BATCH_MATMUL": (1, 1),
    "CONV_2D": (1, 0),
    "DEPTHWISE_CONV_2D": (1, 3),
    "FULLY_CONNECTED": (1, 0),
    "GATHER": (0, 0),
    "TRANSPOSE_CONV": (1, 0),
}


def weights_to_int8(model: bytes) -> bytes:
    """The model with the weights of its layers and tables as int8; it computes in float, without calibration.

    Each output channel, or row of a table, has a scale: its largest absolute value over 127.

    Args:
        model: from `plan_to_inference`.
    """
    tree = parse(model)
    subgraph = tree.subgraphs[0]
    found: dict[int, int] = {}
    for operator in subgraph.operators:
        for name, (place, axis) in _WEIGHTS.items():
            if is_op(tree, operator, name):
                found.setdefault(int(operator.inputs[place]), axis)
    unpacking = []
    for index, axis in sorted(found.items()):
        value = constant(tree, subgraph.tensors[index])
        if value is not None and value.dtype == np.float32 and value.ndim > axis and value.size >= _SMALLEST:
            unpacking.append(_pack_tensor(tree, subgraph, index, value, axis))
    subgraph.operators = [*unpacking, *subgraph.operators]
    prune_buffers(tree)
    return pack(tree)


def _pack_tensor(tree: Any, subgraph: Any, index: int, value: NDArray[np.float32], axis: int) -> Any:
    """Make a constant the output of a DEQUANTIZE of its codes, and return that operator."""
    others = tuple(one for one in range(value.ndim) if one != axis)
    largest = np.abs(value).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / _LARGEST_CODE, 1.0).astype(np.float32)
    codes = np.rint(value / scale).astype(np.int8)
    name = subgraph.tensors[index].name
    packed = new_constant(tree, subgraph, name + b"/int8", codes)
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = scale.ravel(), np.zeros(scale.size, np.int64)
    parameters.quantizedDimension = axis
    subgraph.tensors[packed].quantization = parameters
    subgraph.tensors[index].buffer = 0
    operator = schema.OperatorT()
    operator.opcodeIndex = new_op_code(tree, "DEQUANTIZE", _SCALE_PER_CHANNEL)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    operator.inputs, operator.outputs = [packed], [index]
    return operator
