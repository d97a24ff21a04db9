"""Layers as single operators: bias, scale and activation inside the product or convolution before them.

In a plan the weights are variables, so that a layer is a product, a sum and an activation. Once they are constants, one
operator does it all: less to compute in float, and in int8 the sums in between need no scales of their own.
"""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import constant, is_op, new_operator, walk
from fieldfare.converters.inference._graph import is_constant, new_constant, users

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
_FULLY_CONNECTED_VERSION = 6
"""From which it may have no bias, and keep the axes of its input."""
_TRANSPOSE_HAS_BIAS = 3
"""From this version on."""


def fuse_layers(tree: Any, subgraph: Any) -> None:
    """Make products with a constant matrix fully connected layers, and put into every layer what follows it."""
    _make_dense(tree, subgraph)
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


def _make_dense(tree: Any, subgraph: Any) -> None:
    after, outputs = users(subgraph), set(walk(subgraph.outputs))
    replaced: dict[int, Any] = {}
    for operator in subgraph.operators:
        if not is_op(tree, operator, "BATCH_MATMUL"):
            continue
        left, right = (int(one) for one in operator.inputs)
        options, turned = operator.builtinOptions, _only_user(operator, after, outputs)
        if _is_matrix(tree, subgraph, right) and not options.adjX and len(_shape(subgraph, left)) >= _MATRIX:
            weights = right if options.adjY else _transposed(tree, subgraph, right)
            replaced[id(operator)] = _dense(tree, subgraph, left, weights, operator.outputs)
        elif _is_matrix(tree, subgraph, left) and options.adjY and turned and _swaps_matrix(tree, subgraph, turned):
            # A plan's large frozen weights: `(W x^T)^T`, of two axes.
            weights = _transposed(tree, subgraph, left) if options.adjX else left
            replaced[id(operator)] = _dense(tree, subgraph, right, weights, turned.outputs)
            replaced[id(turned)] = None
    subgraph.operators = [new for old in subgraph.operators if (new := replaced.get(id(old), old)) is not None]


def _swaps_matrix(tree: Any, subgraph: Any, operator: Any) -> bool:
    """Whether an operator transposes a matrix; of more axes, it may put them in any order."""
    if not is_op(tree, operator, "TRANSPOSE"):
        return False
    order = constant(tree, subgraph.tensors[operator.inputs[1]])
    return order is not None and order.tolist() == [1, 0]


def _is_matrix(tree: Any, subgraph: Any, index: int) -> bool:
    tensor = subgraph.tensors[index]
    floats = tensor.type == schema.TensorType.FLOAT32
    return floats and len(_shape(subgraph, index)) == _MATRIX and is_constant(tree, subgraph, index)


def _transposed(tree: Any, subgraph: Any, index: int) -> int:
    tensor = subgraph.tensors[index]
    value = constant(tree, tensor)
    return index if value is None else new_constant(tree, subgraph, tensor.name, value.T)


def _dense(tree: Any, subgraph: Any, source: int, weights: int, outputs: Any) -> Any:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(_shape(subgraph, source)) != _MATRIX
    return new_operator(tree, "FULLY_CONNECTED", [source, weights, -1], outputs, options, _FULLY_CONNECTED_VERSION)


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
        inputs[bias_place] = new_constant(tree, subgraph, subgraph.tensors[layer.outputs[0]].name + b"/bias", total)
    elif name == "TRANSPOSE_CONV":
        inputs = inputs[:bias_place]
    layer.inputs = inputs
    if name == "TRANSPOSE_CONV" and len(inputs) > bias_place:
        kind = new_operator(tree, name, inputs, [], layer.builtinOptions, _TRANSPOSE_HAS_BIAS)
        layer.opcodeIndex = kind.opcodeIndex
    return True
