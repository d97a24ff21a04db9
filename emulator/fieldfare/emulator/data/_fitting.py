"""Arrays of any source in the shape and dtype that the plan takes, where that loses nothing but rounding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec


def fit_tensor(spec: TensorSpec, array: NDArray[Any], place: str) -> NDArray[Any]:
    """`(n, *spec.shape)` of the spec's dtype, contiguous.

    Axes of size 1 may be more or fewer, and values may be flat. Whole numbers become any dtype that holds them, floats
    become other floats, and whole numbers where they are whole.

    Args:
        spec: of one example.
        array: `(n, ...)`.
        place: for messages.

    Raises:
        DataError: another shape, no numbers, or numbers that the dtype does not hold; never shows a value.
    """
    return np.ascontiguousarray(_typed(spec, _shaped(spec, array, place), place))


def fit_column(column: NDArray[Any], rows: int, place: str) -> NDArray[Any]:
    """`(rows,)`: whole numbers or texts; texts that are all whole numbers become numbers, and are ordered as such.

    Raises:
        DataError: another number of values, or values of another kind.
    """
    if column.size != rows or column.shape[:1] != (rows,):
        raise DataError(f"{place}: needs one value for each of the {rows} examples, has the shape {column.shape}")
    flat = column.reshape(rows)
    if flat.dtype.kind == "f" and _all_whole(flat):
        return flat.astype(np.int64)
    if flat.dtype.kind not in "biuUS":
        raise DataError(f"{place}: tells whose an example is, and needs whole numbers or texts, not {flat.dtype}")
    if flat.dtype.kind in "US" and all(_is_whole(text) for text in np.unique(flat).tolist()):
        return flat.astype(np.int64)
    return flat


def _shaped(spec: TensorSpec, array: NDArray[Any], place: str) -> NDArray[Any]:
    if array.ndim and array.shape[1:] != spec.shape:
        slim = tuple(size for size in array.shape[1:] if size != 1)
        if slim == tuple(size for size in spec.shape if size != 1) or slim == (spec.size,):
            return array.reshape(len(array), *spec.shape)
    if array.ndim == 0 or array.shape[1:] != spec.shape:
        raise DataError(
            f"{place}: the plan takes {list(spec.shape)} for each example, here are {list(array.shape[1:])}"
        )
    return array


def _typed(spec: TensorSpec, array: NDArray[Any], place: str) -> NDArray[Any]:
    target = np.dtype(spec.dtype)
    if array.dtype == target:
        return array
    if array.dtype.kind not in "biuf":
        raise DataError(f"{place}: holds {_kind(array)}, the plan takes {spec.dtype}")
    if target.kind == "f":
        # What is too large becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            return array.astype(target)
    low, high = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
    if array.dtype.kind == "f" and not _all_whole(array):
        raise DataError(f"{place}: holds {array.dtype} that are not all whole numbers, the plan takes {spec.dtype}")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise DataError(f"{place}: holds numbers that {spec.dtype}, which the plan takes, cannot hold")
    return array.astype(target)


def _all_whole(array: NDArray[Any]) -> bool:
    # NaN and infinity are not.
    return bool(np.isfinite(array).all() and (array == np.trunc(array)).all())


def _is_whole(text: str | bytes) -> bool:
    digits = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    bare = digits.removeprefix("-")
    # Other ways to write the same number stay texts, so that "01" and "1" are two; so does what 64 bits do not hold.
    return bare.isascii() and bare.isdigit() and str(int(digits)) == digits and len(bare) <= 18  # noqa: PLR2004


def _kind(array: NDArray[Any]) -> str:
    return {"U": "texts", "S": "texts", "O": "Python objects", "M": "times"}.get(array.dtype.kind, str(array.dtype))
