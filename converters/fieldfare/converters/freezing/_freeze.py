"""The pass as a whole."""

from typing import Any, Literal

from fieldfare.converters._flatbuffer import (
    is_op,
    merge_buffers,
    pack,
    parse,
    prune_buffers,
    prune_op_codes,
    prune_tensors,
    signature,
)
from fieldfare.converters.freezing._float import float_product
from fieldfare.converters.freezing._int8 import QuantizedMatrix, int8_gather, int8_product, quantize
from fieldfare.converters.freezing._products import Matrix, find_products, large_matrix, share
from fieldfare.converters.freezing._recompute import products_for_cubes, recompute

FrozenDtype = Literal["float32", "int8"]

# XNNPACK's copies, for int8 arithmetic, are worth their memory for the largest weights, in the step's forward pass.
_PACKED_ELEMENTS = 1 << 20

_Replacements = dict[int, list[Any]]
"""`id` of an operator to those that take its place."""


def freeze_constants(model: bytes, *, dtype: FrozenDtype = "float32") -> bytes:
    """Store each large frozen weight of a converted plan once, for all signatures, forward and backward pass.

    Frozen weights are the constants that the converter made of variables which no signature assigns. Those of fewer
    than 1,024 elements, biases, normalisation and convolutions stay as they are, in float32.

    Args:
        model: what the converter made, without a manifest.
        dtype: how kernels of dense layers and embedding tables are stored. "float32": the results are the same to
            rounding, and large products read the plan's bytes in place. "int8": a quarter of the size; each row has a
            scale of its own, and what is multiplied with such a weight, activations and gradients, is rounded to int8
            row by row.

    Raises:
        PlanError: more than 2 GB.
    """
    tree = parse(model)
    replacements = _int8_replacements(tree) if dtype == "int8" else _float_replacements(tree)
    for subgraph in tree.subgraphs:
        subgraph.operators = [new for old in subgraph.operators for new in replacements.get(id(old), [old])]
        products_for_cubes(tree, subgraph)
        recompute(tree, subgraph)
        prune_tensors(tree, subgraph)
    merge_buffers(tree)
    prune_buffers(tree)
    prune_op_codes(tree)
    return pack(tree)


def _float_replacements(tree: Any) -> _Replacements:
    products = find_products(tree)
    shares = share(products)
    return {id(one.operator): float_product(tree, one, shares[one.matrix]) for one in products}


def _int8_replacements(tree: Any) -> _Replacements:
    products = find_products(tree)
    shares = share(products)
    values = {one.matrix: one.weight for one in products}
    kept = {one.matrix: quantize(tree, values[one.matrix]) for one in shares.values()}
    trained = tree.subgraphs[signature(tree, "train").subgraphIndex]
    found = {}
    for product in products:
        place = shares[product.matrix]
        packed = product.subgraph is trained and not place.transposed and product.weight.size >= _PACKED_ELEMENTS
        found[id(product.operator)] = int8_product(tree, product, place, kept[place.matrix], packed=packed)
    return found | _int8_tables(tree, kept)


def _int8_tables(tree: Any, kept: dict[Matrix, QuantizedMatrix]) -> _Replacements:
    """Those for embedding tables; a table that a product uses too is quantised once."""
    found = {}
    for subgraph in tree.subgraphs:
        for operator in subgraph.operators:
            if not is_op(tree, operator, "GATHER"):
                continue
            tensor = subgraph.tensors[operator.inputs[0]]
            table = large_matrix(tree, tensor)
            options = operator.builtinOptions
            if table is None or options.axis != 0 or options.batchDims != 0:
                continue
            matrix = int(tensor.buffer), table.shape
            if matrix not in kept:
                kept[matrix] = quantize(tree, table)
            found[id(operator)] = int8_gather(tree, subgraph, operator, kept[matrix])
    return found
