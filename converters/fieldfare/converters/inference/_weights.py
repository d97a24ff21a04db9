"""Weights as int8 in a model that computes in float, unpacked when it is loaded: a quarter of the file."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import constant, is_op, new_operator, pack, parse, prune_buffers, walk
from fieldfare.converters.inference._fold import fold_constants
from fieldfare.converters.inference._fuse import fuse_layers
from fieldfare.converters.inference._graph import has_scales, keep_only, new_constant
from fieldfare.converters.inference._run import InferenceModel

_SMALLEST = 512
"""Elements below which a tensor stays float: scales and an operator would take what is saved."""
_LARGEST_CODE = 127
_SCALE_PER_CHANNEL = 5
"""From this version on DEQUANTIZE knows more than one scale."""
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

    Raises:
        PlanError: no inference model.
    """
    InferenceModel(model)  # the runtime checks the file
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


def unpack_weights(model: bytes) -> bytes:
    """The inverse, but for the rounding: every int8 weight as a float constant, and layers fused anew.

    Args:
        model: from `plan_to_inference`; a plan's frozen weights may be int8.
    """
    tree = parse(model)
    subgraph = tree.subgraphs[0]
    for operator in subgraph.operators:
        inputs = list(walk(operator.inputs))
        # Float activations times int8 weights.
        if any(is_op(tree, operator, name) for name in ("BATCH_MATMUL", "FULLY_CONNECTED")) and not has_scales(
            subgraph.tensors[inputs[0]]
        ):
            inputs[1] = _unpack_tensor(tree, subgraph, inputs[1])
            operator.inputs = inputs
    fold_constants(tree, subgraph, unpack=True)
    fuse_layers(tree, subgraph)
    keep_only(tree, tree.signatureDefs[0])
    return pack(tree)


def _unpack_tensor(tree: Any, subgraph: Any, index: int) -> int:
    """Index of a float constant with the values of an int8 one; `index` itself for any other tensor."""
    tensor = subgraph.tensors[index]
    codes = constant(tree, tensor)
    if codes is None or codes.dtype != np.int8 or not has_scales(tensor):
        return index
    along = [1] * codes.ndim
    along[int(tensor.quantization.quantizedDimension)] = -1
    scale = np.asarray(tensor.quantization.scale, np.float32)
    value = codes.astype(np.float32) * scale.reshape(along if scale.size > 1 else ())
    return new_constant(tree, subgraph, tensor.name + b"/float", value)


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
    return new_operator(tree, "DEQUANTIZE", [packed], [index], schema.DequantizeOptionsT(), _SCALE_PER_CHANNEL)
