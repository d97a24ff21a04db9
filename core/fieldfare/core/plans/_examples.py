"""Examples as a mapping from tensor name to an array whose first axis counts the examples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec

Examples = Mapping[str, NDArray[Any]]
"""Tensor name to `(n, *shape)` array; the same `n` for all."""


def check_examples(specs: Sequence[TensorSpec], examples: Examples) -> int:
    """Check names, shapes and dtypes against the specs of one example.

    Returns:
        The number of examples, at least 1.

    Raises:
        DataError: says which tensor is wrong, what was expected and what came; never a value.
    """
    expected = {spec.name for spec in specs}
    if set(examples) != expected:
        raise DataError(f"examples need the tensors {sorted(expected)}, got {sorted(examples)}")
    rows: dict[str, int] = {}
    for spec in specs:
        array = examples[spec.name]
        if array.dtype != np.dtype(spec.dtype):
            raise DataError(f"{spec.name!r}: expected dtype {spec.dtype}, got {array.dtype}; convert it with .astype")
        if array.shape[1:] != spec.shape or array.ndim != len(spec.shape) + 1:
            raise DataError(f"{spec.name!r}: expected shape (n, *{spec.shape}), got {array.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{spec.name!r}: holds NaN or infinite values")
        rows[spec.name] = array.shape[0]
    counts = set(rows.values())
    if len(counts) != 1:
        raise DataError(f"tensors have different numbers of examples: {rows}")
    if 0 in counts:
        raise DataError("there are no examples")
    return counts.pop()


def count_rows(examples: Examples) -> int:
    """Number of examples of a mapping that has been checked."""
    return int(next(iter(examples.values())).shape[0])


def take_rows(examples: Examples, rows: NDArray[np.intp] | slice) -> dict[str, NDArray[Any]]:
    """The examples at `rows`."""
    return {name: array[rows] for name, array in examples.items()}
