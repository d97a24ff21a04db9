"""Float32 products that read the kept weight where it lies, forward and backward.

XNNPACK copies a constant right-hand side into its own layout when it prepares a subgraph: once more for each direction
and each signature. A left-hand side it reads in place. So a large product is computed the other way round,
`(W x^T)^T`, and the backward pass reads the same bytes with `adj_x`.
"""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fieldfare.converters._flatbuffer import add_tensor, walk
from fieldfare.converters.freezing._chain import Chain
from fieldfare.converters.freezing._products import Product, Share

_IN_PLACE_ELEMENTS = 1 << 16
_IN_PLACE_ROWS = 8


def float_product(tree: Any, product: Product, share: Share) -> list[Any]:
    """The operators that take the place of a product, with the weight that is kept."""
    subgraph, operator = product.subgraph, product.operator
    in_place = large_product(product)
    if not (in_place or share.transposed):
        subgraph.tensors[operator.inputs[1]].buffer = share.matrix[0]
        return [operator]
    chain = start(tree, product)
    weight = add_tensor(subgraph, chain.name + b"/weight", share.matrix[1], schema.TensorType.FLOAT32, share.matrix[0])
    options = schema.BatchMatMulOptionsT()
    rows, columns = chain.shape[0], product.weight.shape[0]
    if in_place:
        options.adjX, options.adjY = share.transposed, True
        chain.then("BATCH_MATMUL", [weight, chain.value], (columns, rows), options)
        chain.transpose()
    else:
        chain.then("BATCH_MATMUL", [chain.value, weight], (rows, columns), options)
    return finish(chain, product)


def large_product(product: Product) -> bool:
    """Whether a copy of the weight matters, and the rows are enough to fill XNNPACK's tiles the other way round."""
    return product.weight.size >= _IN_PLACE_ELEMENTS and _rows(product) >= _IN_PLACE_ROWS


def start(tree: Any, product: Product) -> Chain:
    """The product's input as a matrix."""
    operator = product.operator
    name = product.subgraph.tensors[operator.outputs[0]].name
    chain = Chain(tree, product.subgraph, int(operator.inputs[0]), name)
    chain.reshape((_rows(product), product.weight.shape[1]))
    return chain


def finish(chain: Chain, product: Product) -> list[Any]:
    """Give the product its shape, bias and activation, and let it end in its own tensor."""
    operator = product.operator
    chain.reshape(_out_shape(product))
    bias = next(iter(list(walk(operator.inputs))[2:]), -1)
    activation = operator.builtinOptions.fusedActivationFunction
    if bias >= 0 or activation != schema.ActivationFunctionType.NONE:
        chain.add(bias if bias >= 0 else chain.constant(np.zeros(1, np.float32)), activation)
    return chain.end(int(operator.outputs[0]))


def _out_shape(product: Product) -> tuple[int, ...]:
    return tuple(walk(product.subgraph.tensors[product.operator.outputs[0]].shape))


def _rows(product: Product) -> int:
    return math.prod(_out_shape(product)) // int(product.weight.shape[0])
