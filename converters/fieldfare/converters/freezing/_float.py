"""Float32 products that read the kept weight where it lies, forward and backward.

XNNPACK copies a constant right-hand side into its own layout when it prepares a subgraph: once more for each direction
and each signature. A left-hand side it reads in place. So a large product is computed the other way round,
`(W x^T)^T`, and the backward pass reads the same bytes with `adj_x`.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fieldfare.converters._flatbuffer import add_tensor, walk
from fieldfare.converters.freezing._chain import Chain
from fieldfare.converters.freezing._products import Product, Share

# Below these the copies are small, or the product of so few rows leaves most of XNNPACK's tile empty.
_IN_PLACE_ELEMENTS = 1 << 16
_IN_PLACE_ROWS = 8


def float_product(tree: Any, product: Product, share: Share) -> list[Any]:
    """The operators that take the place of a product, with the weight that is kept."""
    subgraph, operator = product.subgraph, product.operator
    columns, rows_in = product.weight.shape
    source, output = int(operator.inputs[0]), int(operator.outputs[0])
    out_shape = tuple(walk(subgraph.tensors[output].shape))
    rows = int(np.prod(out_shape)) // columns
    in_place = product.weight.size >= _IN_PLACE_ELEMENTS and rows >= _IN_PLACE_ROWS
    if not (in_place or share.transposed):
        subgraph.tensors[operator.inputs[1]].buffer = share.matrix[0]
        return [operator]
    name = subgraph.tensors[output].name
    weight = add_tensor(subgraph, name + b"/weight", share.matrix[1], schema.TensorType.FLOAT32, share.matrix[0])
    chain = Chain(tree, subgraph, source, name)
    chain.reshape((rows, rows_in))
    options = schema.BatchMatMulOptionsT()
    if in_place:
        options.adjX, options.adjY = share.transposed, True
        chain.then("BATCH_MATMUL", [weight, chain.value], (columns, rows), options)
        chain.transpose()
    else:
        chain.then("BATCH_MATMUL", [chain.value, weight], (rows, columns), options)
    return finish(chain, product, out_shape)


def finish(chain: Chain, product: Product, shape: tuple[int, ...]) -> list[Any]:
    """Give the product its shape, bias and activation back, and let it end in its own tensor."""
    operator = product.operator
    chain.reshape(shape)
    bias = next(iter(list(walk(operator.inputs))[2:]), -1)
    activation = operator.builtinOptions.fusedActivationFunction
    if bias >= 0 or activation != schema.ActivationFunctionType.NONE:
        chain.add(bias if bias >= 0 else chain.constant(np.zeros(1, np.float32)), activation)
    return chain.end(int(operator.outputs[0]))
