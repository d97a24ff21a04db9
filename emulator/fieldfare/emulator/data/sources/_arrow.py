"""Columns of Apache Arrow, which Parquet files and `datasets` have in common, as arrays."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data._fitting import fit_tensor
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.data.sources._packages import needed
from fieldfare.emulator.data.sources._pictures import read_picture

_BATCH_BYTES = 2**24


def batch_rows(wanted: Wanted) -> int:
    """How many rows are read at once: 16 MiB of tensors."""
    return max(1, min(2**16, _BATCH_BYTES // wanted.row_bytes))


def columns_of(wanted: Wanted, known: Sequence[str], place: str) -> dict[str, tuple[str, ...]]:
    """By wanted column, the columns that hold it: itself, or `name.0`, `name.1`, ... for its flattened values.

    Raises:
        DataError: one is missing.
    """
    held = set(known)
    found: dict[str, tuple[str, ...]] = {}
    for name in wanted.names:
        spec = wanted.by_column.get(name)
        numbered = tuple(f"{name}.{index}" for index in range(spec.size)) if spec is not None else ()
        if name in held:
            found[name] = (name,)
        elif numbered and held.issuperset(numbered):
            found[name] = numbered
        else:
            wanted.check_columns(known, place)
    return found


def read_tables(
    tables: Iterable[Any], rows: int, columns: dict[str, tuple[str, ...]], wanted: Wanted, place: str
) -> dict[str, NDArray[Any]]:
    """Arrays filled batch after batch.

    Args:
        tables: `pyarrow.Table`s or record batches that come to `rows` together.
        rows: how many examples there are.
        columns: of `columns_of`.
        wanted: what the plan takes.
        place: for messages.

    Raises:
        DataError: missing values, rows of different lengths, values that the plan does not take.
    """
    wanted.check_rows(rows, place)
    arrays = {name: np.empty((rows, *spec.shape), spec.dtype) for name, spec in wanted.by_column.items()}
    whose: list[NDArray[Any]] = []
    done = 0
    for table in tables:
        if done + table.num_rows > rows:
            raise DataError(f"{place}: has more examples than it says")
        for name, held in columns.items():
            pieces = [_array(table.column(one), f"{place}: {one!r}", wanted.by_column.get(name)) for one in held]
            if name == wanted.whose:
                whose.append(pieces[0])
            else:
                spec, piece = wanted.by_column[name], np.stack(pieces, axis=1) if len(pieces) > 1 else pieces[0]
                arrays[name][done : done + table.num_rows] = fit_tensor(spec, piece, f"{place}: {name!r}")
        done += table.num_rows
    if done != rows:
        raise DataError(f"{place}: has fewer examples than it says")
    if wanted.whose is not None:
        arrays[wanted.whose] = np.concatenate(whose)
    return arrays


def _array(column: Any, place: str, spec: TensorSpec | None) -> NDArray[Any]:
    """One column of a table as an array; pictures are decoded, which takes the spec."""
    arrow = needed("pyarrow", to="reading this", extra="emulator")
    whole = column.combine_chunks() if isinstance(column, arrow.ChunkedArray) else column
    return _values(arrow, whole, place, spec)


def _values(arrow: Any, array: Any, place: str, spec: TensorSpec | None) -> NDArray[Any]:
    if isinstance(array, arrow.ExtensionArray):
        return _values(arrow, array.storage, place, spec)
    kind, types = array.type, arrow.types
    if types.is_dictionary(kind):
        return _values(arrow, array.dictionary_decode(), place, spec)
    if array.null_count:
        raise DataError(f"{place}: {array.null_count} values are missing")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _rows_of_lists(arrow, array, place, spec)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
        return values
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(array.to_pylist(), np.str_)
    if spec is not None and (types.is_binary(kind) or types.is_large_binary(kind) or _is_picture(kind, types)):
        return _pictures(array, place, spec)
    raise DataError(f"{place}: holds {kind}, which is neither numbers nor pictures")


def _rows_of_lists(arrow: Any, array: Any, place: str, spec: TensorSpec | None) -> NDArray[Any]:
    lengths = needed("pyarrow.compute", to="reading this", extra="emulator").list_value_length(array)
    found = np.unique(lengths.to_numpy(zero_copy_only=False))
    if len(found) != 1:
        raise DataError(f"{place}: its rows have different lengths")
    inner = _values(arrow, array.flatten(), place, spec)
    return inner.reshape(len(array), int(found[0]), *inner.shape[1:])


def _is_picture(kind: Any, types: Any) -> bool:
    """What `datasets` keeps pictures in: their bytes, or a path."""
    return bool(types.is_struct(kind) and {kind.field(index).name for index in range(kind.num_fields)} >= {"bytes"})


def _pictures(array: Any, place: str, spec: TensorSpec) -> NDArray[Any]:
    found = np.empty((len(array), *spec.shape), spec.dtype)
    for index, one in enumerate(array.to_pylist()):
        content = one["bytes"] if isinstance(one, dict) else one
        if content is None:
            raise DataError(f"{place}: a picture has no bytes: save the data set with its pictures embedded")
        found[index] = read_picture(content, spec, f"{place}, a picture")
    return found
