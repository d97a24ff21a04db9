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
from fieldfare.converters.freezing._float import finish, large_product, start
from fieldfare.converters.freezing._products import Product, Share

_INT8 = schema.TensorType.INT8
_INT32 = schema.TensorType.INT32
_LARGEST = 127
_LEAST = 1e-30
_ONE = np.ones(1, np.float32)
# The first versions of the builtins that take float values and int8 weights, per channel where they can.
_FULLY_CONNECTED_VERSION = 12
_BATCH_MATMUL_VERSION = 4
_GATHER_VERSION = 2
_DEQUANTIZE_VERSION = 2
_TRANSPOSE_VERSION = 2


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
    # A row of zeros has no scale of its own; any will do. XNNPACK takes none that is not a normal number.
    scales = np.where(largest > _LEAST, largest / _LARGEST, 1.0).astype(np.float32)
    values = np.rint(matrix / scales[:, None]).astype(np.int8)
    rows, columns = matrix.shape
    return QuantizedMatrix(add_buffer(tree, values), (rows, columns), scales, add_buffer(tree, scales))


def int8_product(tree: Any, product: Product, share: Share, kept: QuantizedMatrix, *, packed: bool) -> list[Any]:
    """The operators of a product with the quantised weight; packed: XNNPACK may copy it, for int8 arithmetic."""
    if large_product(product) and not packed:
        return _in_place(tree, product, share, kept)
    if share.transposed:
        return _backward(tree, product, kept)
    return [_forward(tree, product, kept)]


def _forward(tree: Any, product: Product, kept: QuantizedMatrix) -> Any:
    """`x Q^T` with per-channel scales."""
    operator = product.operator
    name = product.subgraph.tensors[operator.outputs[0]].name
    weight = _int8_tensor(product.subgraph, name, kept, kept.scales)
    options = operator.builtinOptions
    options.asymmetricQuantizeInputs = True
    inputs = [int(operator.inputs[0]), weight, *list(walk(operator.inputs))[2:]]
    outputs = list(walk(operator.outputs))
    return new_operator(tree, "FULLY_CONNECTED", inputs, outputs, options, _FULLY_CONNECTED_VERSION)


def _backward(tree: Any, product: Product, kept: QuantizedMatrix) -> list[Any]:
    """`(x * s) Q`."""
    chain = start(tree, product)
    chain.multiply(_scales_tensor(product.subgraph, chain.name, kept, (kept.shape[0],)))
    options = schema.BatchMatMulOptionsT()
    options.asymmetricQuantizeInputs = True
    weight = _int8_tensor(product.subgraph, chain.name, kept, _ONE)
    shape = chain.shape[0], kept.shape[1]
    chain.then("BATCH_MATMUL", [chain.value, weight], shape, options, version=_BATCH_MATMUL_VERSION)
    return finish(chain, product)


def _in_place(tree: Any, product: Product, share: Share, kept: QuantizedMatrix) -> list[Any]:
    """`(Q x^T)^T * s` or `(Q^T (x * s)^T)^T` in float32, where Q becomes float32 for this product alone."""
    subgraph, chain = product.subgraph, start(tree, product)
    scales = _scales_tensor(subgraph, chain.name, kept, (kept.shape[0],))
    weight = _fetched(tree, subgraph, chain.value, chain.name, kept)
    if share.transposed:
        chain.multiply(scales)
        order = weight.constant(np.array([1, 0], np.int32))
        options = schema.TransposeOptionsT()
        weight.then(
            "TRANSPOSE", [weight.value, order], kept.shape[::-1], options, kind=_INT8, version=_TRANSPOSE_VERSION
        )
        subgraph.tensors[weight.value].quantization = _quantization(_ONE)
    dequantize = schema.DequantizeOptionsT()
    weight.then("DEQUANTIZE", [weight.value], weight.shape, dequantize, version=_DEQUANTIZE_VERSION)
    matmul = schema.BatchMatMulOptionsT()
    matmul.adjY = True
    shape = weight.shape[0], chain.shape[0]
    # What the input needs comes first: the order of the operators is that of their execution.
    before = list(chain.operators)
    chain.operators = [*before, *weight.operators]
    chain.then("BATCH_MATMUL", [weight.value, chain.value], shape, matmul)
    chain.transpose()
    if not share.transposed:
        chain.multiply(scales)
    return finish(chain, product)


def _fetched(tree: Any, subgraph: Any, anchor: int, name: bytes, kept: QuantizedMatrix) -> Chain:
    """The int8 matrix as a value that is made when the matrix `anchor` is there, and gone after its use.

    A constant would be made float32 for good, and what depends on constants alone is computed before all else, so that
    every matrix would lie in memory at once.
    """
    rows = Chain(tree, subgraph, anchor, name)
    rows.zero(kind=_INT32)
    numbers = rows.constant(np.arange(kept.shape[0], dtype=np.int32))
    rows.then("ADD", [numbers, rows.value], (kept.shape[0],), schema.AddOptionsT(), kind=_INT32)
    gather = schema.GatherOptionsT()
    gather.axis = 0
    inputs = [_int8_tensor(subgraph, name, kept, _ONE), rows.value]
    rows.then("GATHER", inputs, kept.shape, gather, kind=_INT8, version=_GATHER_VERSION)
    subgraph.tensors[rows.value].quantization = _quantization(_ONE)
    return rows


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
    words = _int8_tensor(subgraph, name, kept, _ONE)
    rows.then("GATHER", [words, ids], shape, operator.builtinOptions, kind=_INT8, version=_GATHER_VERSION)
    subgraph.tensors[rows.value].quantization = _quantization(_ONE)
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
