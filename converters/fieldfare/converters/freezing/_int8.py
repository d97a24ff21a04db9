"""Int8 weights: kernels with a scale for each row of the kept matrix, and embedding tables with one for each word.

With `W = diag(s) Q`, the product `x W^T` is a FULLY_CONNECTED with per-channel scales. The other direction, `y W`, is
`(y * s) Q`: the scales go to the activations, so that the very bytes of Q serve as a matrix of scale 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import add_buffer, add_tensor, new_operator, walk
from fieldfare.converters.freezing._chain import Chain
from fieldfare.converters.freezing._float import finish
from fieldfare.converters.freezing._products import Product, Share

_INT8 = schema.TensorType.INT8
_LARGEST = 127
# The first versions of the builtins that take float values and int8 weights, per channel where they can.
_FULLY_CONNECTED_VERSION = 12
_BATCH_MATMUL_VERSION = 4
_GATHER_VERSION = 2
_DEQUANTIZE_VERSION = 2


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """`diag(scales) @ values` in a plan.

    Attributes:
        values: index of the buffer of `shape` int8.
        scales: `(rows,)` float32, positive.
        scales_buffer: index of the buffer that holds them.
    """

    values: int
    shape: tuple[int, int]
    scales: NDArray[np.float32]
    scales_buffer: int


def quantize(tree: Any, matrix: NDArray[np.float32]) -> QuantizedMatrix:
    """Round each row of a `(rows, columns)` matrix to 255 steps, symmetric about zero."""
    largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
    # A row of zeros has no scale of its own; any will do.
    scales = np.where(largest > 0, largest / _LARGEST, 1.0).astype(np.float32)
    values = np.rint(matrix / scales[:, None]).astype(np.int8)
    rows, columns = matrix.shape
    return QuantizedMatrix(add_buffer(tree, values), (rows, columns), scales, add_buffer(tree, scales))


def int8_product(tree: Any, product: Product, share: Share, kept: QuantizedMatrix) -> list[Any]:
    """The operators that take the place of a product, with the quantised weight that is kept."""
    subgraph, operator = product.subgraph, product.operator
    source, output = int(operator.inputs[0]), int(operator.outputs[0])
    name = subgraph.tensors[output].name
    if not share.transposed:
        weight = _int8_tensor(subgraph, name, kept, kept.scales)
        options = operator.builtinOptions
        options.asymmetricQuantizeInputs = True
        inputs = [source, weight, *list(walk(operator.inputs))[2:]]
        return [new_operator(tree, "FULLY_CONNECTED", inputs, [output], options, _FULLY_CONNECTED_VERSION)]
    columns, rows_in = product.weight.shape
    out_shape = tuple(walk(subgraph.tensors[output].shape))
    rows = int(np.prod(out_shape)) // columns
    chain = Chain(tree, subgraph, source, name)
    chain.reshape((rows, rows_in))
    chain.multiply(_scales_tensor(subgraph, name, kept, (rows_in,)))
    options = schema.BatchMatMulOptionsT()
    options.asymmetricQuantizeInputs = True
    weight = _int8_tensor(subgraph, name, kept, np.ones(1, np.float32))
    inputs = [chain.value, weight]
    chain.then("BATCH_MATMUL", inputs, (rows, columns), options, version=_BATCH_MATMUL_VERSION)
    return finish(chain, product, out_shape)


def int8_gather(tree: Any, subgraph: Any, operator: Any, kept: QuantizedMatrix) -> list[Any]:
    """The operators that take the place of a GATHER of rows: of the int8 rows and of their scales, multiplied."""
    output = int(operator.outputs[0])
    ids = int(operator.inputs[1])
    shape = tuple(walk(subgraph.tensors[output].shape))
    name = subgraph.tensors[output].name
    scales = Chain(tree, subgraph, ids, name)
    table = _scales_tensor(subgraph, name, kept, (kept.shape[0], 1))
    scales.then("GATHER", [table, ids], (*shape[:-1], 1), operator.builtinOptions)
    rows = Chain(tree, subgraph, ids, name)
    words = _int8_tensor(subgraph, name, kept, np.ones(1, np.float32))
    rows.then("GATHER", [words, ids], shape, operator.builtinOptions, kind=_INT8, version=_GATHER_VERSION)
    subgraph.tensors[rows.value].quantization = _quantization(np.ones(1, np.float32))
    rows.then("DEQUANTIZE", [rows.value], shape, schema.DequantizeOptionsT(), version=_DEQUANTIZE_VERSION)
    rows.multiply(scales.value)
    return [*scales.operators, *rows.end(output)]


def _int8_tensor(subgraph: Any, name: bytes, kept: QuantizedMatrix, scales: NDArray[np.float32]) -> int:
    index = add_tensor(subgraph, name + b"/weight", kept.shape, _INT8, kept.values)
    subgraph.tensors[index].quantization = _quantization(scales)
    return index


def _scales_tensor(subgraph: Any, name: bytes, kept: QuantizedMatrix, shape: tuple[int, ...]) -> int:
    return add_tensor(subgraph, name + b"/scales", shape, schema.TensorType.FLOAT32, kept.scales_buffer)


def _quantization(scales: NDArray[np.float32]) -> Any:
    """Symmetric, with one scale for all or one for each index of the first axis."""
    found = schema.QuantizationParametersT()
    found.scale, found.zeroPoint = scales, np.zeros(len(scales), np.int64)
    return found
