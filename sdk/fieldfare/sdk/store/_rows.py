"""Examples to and from the raw bytes of a row: little-endian, C-contiguous, one tensor after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.plans import Examples
from fieldfare.core.weights import TensorSpec


def row_bytes(specs: Sequence[TensorSpec]) -> int:
    """Bytes of one example."""
    return sum(spec.nbytes for spec in specs)


def pack_rows(specs: Sequence[TensorSpec], examples: Examples, rows: int) -> NDArray[np.uint8]:
    """Checked examples as a `(rows, row_bytes)` uint8 matrix."""
    matrix = np.empty((rows, row_bytes(specs)), np.uint8)
    start = 0
    for spec in specs:
        little = np.ascontiguousarray(examples[spec.name], np.dtype(spec.dtype).newbyteorder("<"))
        matrix[:, start : start + spec.nbytes] = little.reshape(rows, spec.size).view(np.uint8)
        start += spec.nbytes
    return matrix


def unpack_rows(specs: Sequence[TensorSpec], rows: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    """The inverse: tensor name to a new `(n, *shape)` array; `n` may be 0. Safe: the caller checked the lengths."""
    matrix = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), row_bytes(specs))
    examples: dict[str, NDArray[Any]] = {}
    start = 0
    for spec in specs:
        piece = np.ascontiguousarray(matrix[:, start : start + spec.nbytes])
        little = np.frombuffer(piece.tobytes(), np.dtype(spec.dtype).newbyteorder("<"))
        examples[spec.name] = little.astype(spec.dtype).reshape(len(rows), *spec.shape)
        start += spec.nbytes
    return examples


def as_arrays(examples: Examples) -> Examples:
    """Refuse what is no mapping, or no array.

    Raises:
        DataError: names the tensor, never a value.
    """
    _check_mapping(examples)
    for name, array in examples.items():
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            raise DataError(f"{name!r}: many examples need a NumPy array with one row each; add takes Python numbers")
    return examples


def one_example(specs: Sequence[TensorSpec], example: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """One example as `(1, *shape)` arrays, ready to be checked.

    Arrays are taken as they are: their dtype must be the spec's. Python numbers and lists of them are converted:
    integers and truth values exactly, fractions rounded to the nearest number that the float dtype has.

    Raises:
        DataError: no mapping, or a Python value that does not fit the dtype.
    """
    _check_mapping(example)
    known = {spec.name: spec for spec in specs}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in example.items():
        if isinstance(value, np.ndarray | np.generic):
            arrays[name] = np.asarray(value)[np.newaxis]
        elif name in known:
            arrays[name] = _converted(known[name], value)[np.newaxis]
        else:
            arrays[name] = np.empty((1, 0))  # Safe: the check of the names refuses it.
    return arrays


def _check_mapping(examples: object) -> None:
    if not isinstance(examples, Mapping) or not all(isinstance(name, str) for name in examples):
        raise DataError("examples are a mapping from the names of tensors to values")


def _converted(spec: TensorSpec, value: Any) -> NDArray[Any]:
    problem = DataError(f"{spec.name!r}: the Python value does not fit {spec.dtype} exactly; pass a NumPy array")
    try:
        given = np.asarray(value)
    except (ValueError, OverflowError):
        raise DataError(f"{spec.name!r}: needs numbers in the shape {spec.shape}, got a ragged list") from None
    if given.dtype.kind not in "biuf":
        raise DataError(f"{spec.name!r}: needs numbers of dtype {spec.dtype}, got {given.dtype}")
    with np.errstate(all="ignore"):
        fitted = given.astype(spec.dtype)
    if given.dtype.kind == "f" and fitted.dtype.kind == "f":
        # NaN and infinity that were given are refused by the check that follows.
        if np.isinf(fitted).any() and not np.isinf(given).any():
            raise problem
        return fitted
    # Python's own numbers compare exactly, whatever the two dtypes are.
    if given.ravel().tolist() != fitted.ravel().tolist():
        raise problem
    return fitted
