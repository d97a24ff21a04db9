"""Finds the products with frozen weights in a plan, and which of their weights are each other's transposes."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import constant, is_op, walk

_AXES = 2
SMALLEST = 1024
"""Elements of the smallest weight that is worth a pass."""


Matrix = tuple[int, tuple[int, ...]]
"""Index of a buffer and a shape: the converter lets constants of equal bytes share a buffer whatever their shapes."""


@dataclass(frozen=True, slots=True)
class Product:
    """A FULLY_CONNECTED, `x @ weight.T`, whose weight is a constant.

    Attributes:
        matrix: where its weight lies.
        weight: `(out, in)` float32.
    """

    subgraph: Any
    operator: Any
    matrix: Matrix
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Share:
    """Where the weight of a product lies once it is stored once.

    Attributes:
        matrix: the one that is kept.
        transposed: whether it is the transpose of the product's own weight.
    """

    matrix: Matrix
    transposed: bool


def find_products(tree: Any) -> list[Product]:
    """Every product of a plan with a large constant weight, in the order of the subgraphs."""
    found = []
    for subgraph in tree.subgraphs:
        for operator in subgraph.operators:
            if is_op(tree, operator, "FULLY_CONNECTED"):
                tensor = subgraph.tensors[operator.inputs[1]]
                weight = large_matrix(tree, tensor)
                if weight is not None:
                    found.append(Product(subgraph, operator, (int(tensor.buffer), weight.shape), weight))
    return found


def large_matrix(tree: Any, tensor: Any) -> NDArray[np.float32] | None:
    """The value of a constant float32 matrix of at least `SMALLEST` elements; None for any other tensor."""
    if tensor.type != schema.TensorType.FLOAT32 or len(list(walk(tensor.shape))) != _AXES:
        return None
    value = constant(tree, tensor)
    return None if value is None or value.size < SMALLEST else value


def share(products: Sequence[Product]) -> dict[Matrix, Share]:
    """Each product's matrix to the one that is kept for it: of a weight and its transpose, the one used more.

    Predictions and the forward pass of training use the same orientation, so that theirs is kept.
    """
    uses = Counter(one.matrix for one in products)
    weights = {one.matrix: one.weight for one in products}
    kept: dict[bytes, Matrix] = {}
    shares = {}
    for matrix, _ in uses.most_common():
        as_is = _digest(weights[matrix])
        if as_is in kept:
            shares[matrix] = Share(kept[as_is], transposed=False)
        elif (turned := _digest(weights[matrix].T)) in kept:
            shares[matrix] = Share(kept[turned], transposed=True)
        else:
            kept[as_is] = matrix
            shares[matrix] = Share(matrix, transposed=False)
    return shares


def _digest(matrix: NDArray[np.float32]) -> bytes:
    shape = np.array(matrix.shape, np.int64)
    return hashlib.sha256(shape.tobytes() + np.ascontiguousarray(matrix).tobytes()).digest()
