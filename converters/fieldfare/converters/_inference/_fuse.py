"""Layers as single operators: bias, scale and activation inside the product or convolution before them.

In a plan the weights are variables, so that a layer is a product, a sum and an activation. Once they are constants, one
operator does it all: less to compute in float, and in int8 the sums in between need no scales of their own.
"""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import constant, is_op, walk
from fieldfare.converters._inference._graph import is_constant, new_constant, new_op_code, users

_NONE = schema.ActivationFunctionType.NONE
_ACTIVATIONS = {
    "RELU": schema.ActivationFunctionType.RELU,
    "RELU6": schema.ActivationFunctionType.RELU6,
}
# Operator to the place of its weights and of its bias among the inputs, and the weights' axis of output channels.
_LAYERS = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
}
_MATRIX = 2
_KEEPS_DIMENSIONS = 5
"""Version of FULLY_CONNECTED from which it keeps the axes of its input."""
_TRANSPOSE_HAS_BIAS = 3
"""Version of TRANSPOSE_CONV from which it takes a bias."""


def fuse_layers(tree: Any, subgraph: Any) -> None:
    """Make products with a constant matrix fully connected layers, and put into every layer what follows it."""
    for operator in subgraph.operators:
        if is_op(tree, operator, "BATCH_MATMUL"):
            _to_fully_connected(tree, subgraph, operator)
    after, outputs, gone = users(subgraph), set(walk(subgraph.outputs)), set()
    for operator in subgraph.operators:
        name = next((one for one in _LAYERS if is_op(tree, operator, one)), None)
        if name is None:
            continue
        while operator.builtinOptions.fusedActivationFunction == _NONE:
            absorbed = _absorb(tree, subgraph, operator, name, after, outputs)
            if absorbed is None:
                break
            gone.add(id(absorbed))
    subgraph.operators = [one for one in subgraph.operators if id(one) not in gone]


def _to_fully_connected(tree: Any, subgraph: Any, operator: Any) -> None:
    left, right = (int(one) for one in operator.inputs)
    old = operator.builtinOptions
    matrix = constant(tree, subgraph.tensors[right])
    rank = len(_shape(subgraph, left))
    if matrix is None or matrix.ndim != _MATRIX or matrix.dtype != np.float32 or old.adjX or rank < _MATRIX:
        return
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = rank != _MATRIX
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
    operator.opcodeIndex = new_op_code(tree, "FULLY_CONNECTED", _KEEPS_DIMENSIONS)
    name = subgraph.tensors[right].name
    operator.inputs = [left, right if old.adjY else new_constant(tree, subgraph, name, matrix.T), -1]


def _absorb(
    tree: Any, subgraph: Any, layer: Any, name: str, after: dict[int, list[Any]], outputs: set[int]
) -> Any | None:
    """Put the one operator that follows a layer into it, and return that operator; None where that cannot be."""
    last, follower = layer, _only_user(layer, after, outputs)
    if follower is not None and is_op(tree, follower, "RESHAPE"):
        # The heads of attention: the bias is added once the last axis is split.
        last, follower = follower, _only_user(follower, after, outputs)
    if follower is None:
        return None
    if last is layer and name != "TRANSPOSE_CONV":
        for kind, activation in _ACTIVATIONS.items():
            if is_op(tree, follower, kind):
                layer.builtinOptions.fusedActivationFunction = activation
                layer.outputs = follower.outputs
                return follower
    adds = is_op(tree, follower, "ADD")
    if not (adds or is_op(tree, follower, "MUL")):
        return None
    activation = follower.builtinOptions.fusedActivationFunction
    if activation != _NONE and (last is not layer or name == "TRANSPOSE_CONV"):
        return None
    vector = _channel_vector(tree, subgraph, layer, last, follower)
    if vector is None or not _apply(tree, subgraph, layer, name, vector, adds=adds):
        return None
    layer.builtinOptions.fusedActivationFunction = activation
    last.outputs = follower.outputs
    return follower


def _only_user(operator: Any, after: dict[int, list[Any]], outputs: set[int]) -> Any | None:
    index = int(operator.outputs[0])
    found = after.get(index, [])
    return found[0] if len(found) == 1 and index not in outputs else None


def _channel_vector(tree: Any, subgraph: Any, layer: Any, last: Any, follower: Any) -> NDArray[np.float32] | None:
    """The constant that `follower` adds or multiplies with, one number for each channel of the layer's output."""
    place = int(last.outputs[0])
    others = [int(one) for one in follower.inputs if int(one) != place]
    if len(others) != 1 or not is_constant(tree, subgraph, others[0]):
        return None
    value = constant(tree, subgraph.tensors[others[0]])
    channels = _shape(subgraph, layer.outputs[0])[-1]
    shape = _shape(subgraph, place)
    if value is None or value.dtype != np.float32 or value.ndim > len(shape):
        return None
    if value.size == 1:
        return np.full(channels, value.reshape(()), np.float32)
    # Of the axes that the layer's channels are spread over, none may be missing, and no other may have a size.
    spread = 1
    while math.prod(shape[-spread:]) < channels:
        spread += 1
    if math.prod(shape[-spread:]) != channels or value.size != channels or value.shape[-spread:] != shape[-spread:]:
        return None
    return value.reshape(channels)


def _shape(subgraph: Any, index: Any) -> tuple[int, ...]:
    return tuple(walk(subgraph.tensors[index].shape))


def _apply(tree: Any, subgraph: Any, layer: Any, name: str, vector: NDArray[np.float32], *, adds: bool) -> bool:
    """Add `vector` to a layer's bias, or multiply its weights and bias with it; False where they are no constants."""
    weights_place, bias_place, axis = _LAYERS[name]
    inputs = [*walk(layer.inputs)]
    inputs += [-1] * (bias_place + 1 - len(inputs))
    bias_index, weights_index = inputs[bias_place], inputs[weights_place]
    bias = np.zeros_like(vector) if bias_index == -1 else constant(tree, subgraph.tensors[bias_index])
    if bias is None:
        return False
    if not adds:
        weights = constant(tree, subgraph.tensors[weights_index])
        if weights is None or weights.dtype != np.float32:
            return False
        along = [1] * weights.ndim
        along[axis] = vector.size
        scaled = weights * vector.reshape(along)
        inputs[weights_place] = new_constant(tree, subgraph, subgraph.tensors[weights_index].name, scaled)
    if adds or bias_index != -1:
        total = bias + vector if adds else bias * vector
        inputs[bias_place] = new_constant(tree, subgraph, b"bias", total)
    elif name == "TRANSPOSE_CONV":
        inputs = inputs[:bias_place]
    layer.inputs = inputs
    if name == "TRANSPOSE_CONV" and len(inputs) > bias_place:
        layer.opcodeIndex = new_op_code(tree, name, _TRANSPOSE_HAS_BIAS)
    return True
