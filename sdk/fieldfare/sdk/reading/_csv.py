"""CSV: a header, then one example a row."""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec

_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_ROWS_AT_ONCE = 4096
_LONGEST_TEXT = 256

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class _Column:
    """Where the flattened values of one tensor stand: positions in a row, from 0. Without a spec: a text."""

    name: str
    spec: TensorSpec | None
    positions: tuple[int, ...]


def read_csv(path: Path, specs: Sequence[TensorSpec], *, text: str | None = None) -> Examples:
    """Read a CSV file.

    A column named like a tensor holds that tensor's one value; columns `name.0`, `name.1`, ... hold its flattened
    values. Where a single tensor has no column of its own name, all columns that are left are its flattened values, in
    their order. So a file of 64 pixels and a column "label" fits an input (64,) and a target "label".

    Args:
        path: the file.
        specs: of one example.
        text: name of a further column, whose cells are taken as they stand; at most 256 characters each.

    Returns:
        Tensor name to a `(n, *shape)` array of the spec's dtype; the name `text` to a `(n,)` array of texts.

    Raises:
        NotFoundError: no such file.
        DataError: a header that does not fit, no rows, a cell that is no number or out of the dtype's range. Names
            file, row (the header is row 1) and column, never what stands there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = _columns(path, next(lines, []), specs, text)
            pieces = list(_pieces(path, lines, columns))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is not there") from error
    except (OSError, csv.Error, UnicodeDecodeError):
        # Without the cause: its words may quote what the file holds.
        raise DataError(f"{path} cannot be read as a CSV file in UTF-8") from None
    if not pieces:
        raise DataError(f"{path}: there are no rows below the header")
    arrays = {one.name: np.concatenate([piece[one.name] for piece in pieces]) for one in columns}
    try:
        check_examples(specs, {spec.name: arrays[spec.name] for spec in specs})
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return arrays


def _columns(path: Path, header: Sequence[str], specs: Sequence[TensorSpec], text: str | None) -> list[_Column]:
    names = [name.strip() for name in header]
    if any(_is_number(name) for name in names) or not any(names):
        raise DataError(f"{path}: the first row must be a header with the columns' names")
    if len(set(names)) != len(names):
        raise DataError(f"{path}: two columns of the header have the same name")
    where = {name: position for position, name in enumerate(names)}
    if text is not None and text not in where:
        raise DataError(f"{path}: the header has no column {text!r}")
    texts = [] if text is None else [_Column(text, None, (where.pop(text),))]
    found: dict[str, tuple[int, ...]] = {}
    for spec in specs:
        numbered = [f"{spec.name}.{index}" for index in range(spec.size)]
        if spec.size == 1 and spec.name in where:
            found[spec.name] = (where[spec.name],)
        elif all(name in where for name in numbered):
            found[spec.name] = tuple(where[name] for name in numbered)
    taken = {position for positions in found.values() for position in positions}
    left = tuple(position for position in where.values() if position not in taken)
    missing = [spec for spec in specs if spec.name not in found]
    if len(missing) == 1 and len(left) == missing[0].size:
        found[missing[0].name], left = left, ()
    elif missing:
        raise DataError(f"{path}: {_wanted(missing)}; {len(left)} columns are left for that")
    if left:
        listed = ", ".join(str(position + 1) for position in left[:5])
        raise DataError(f"{path}: {len(left)} columns belong to no tensor (column {listed})")
    return [*(_Column(spec.name, spec, found[spec.name]) for spec in specs), *texts]


def _wanted(missing: Sequence[TensorSpec]) -> str:
    def one(spec: TensorSpec) -> str:
        return repr(spec.name) if spec.size == 1 else f"'{spec.name}.0' to '{spec.name}.{spec.size - 1}'"

    return f"the header has no column {' and none '.join(one(spec) for spec in missing)}"


def _pieces(path: Path, lines: Iterator[list[str]], columns: Sequence[_Column]) -> Iterator[dict[str, NDArray[Any]]]:
    """Arrays of some thousand rows each, so that a large file is not held as Python numbers."""
    width = sum(len(column.positions) for column in columns)
    values: list[list[Any]] = [[] for _ in columns]
    rows = 0
    for row, cells in enumerate(lines, start=2):
        if not cells:
            continue
        if len(cells) != width:
            raise DataError(f"{path}: row {row} has {len(cells)} columns, the header has {width}")
        for column, target in zip(columns, values, strict=True):
            target.extend(_read(path, row, cells, column))
        rows += 1
        if rows == _ROWS_AT_ONCE:
            yield _arrays(columns, values, rows)
            values, rows = [[] for _ in columns], 0
    if rows:
        yield _arrays(columns, values, rows)


def _arrays(columns: Sequence[_Column], values: Sequence[list[Any]], rows: int) -> dict[str, NDArray[Any]]:
    return {
        column.name: np.array(flat)
        if column.spec is None
        else np.array(flat, column.spec.dtype).reshape(rows, *column.spec.shape)
        for column, flat in zip(columns, values, strict=True)
    }


def _read(path: Path, row: int, cells: Sequence[str], column: _Column) -> list[Any]:
    if column.spec is None:
        return [_text(path, row, cells, column)]
    parse = _parser(column.spec)
    result: list[Any] = []
    for position in column.positions:
        try:
            result.append(parse(cells[position].strip()))
        except (ValueError, OverflowError):
            # Without the cause: its words quote the cell.
            place = f"row {row}, column {position + 1} ({column.spec.name!r})"
            raise DataError(f"{path}: {place}: needs a finite number that fits {column.spec.dtype}") from None
    return result


def _text(path: Path, row: int, cells: Sequence[str], column: _Column) -> str:
    cell = cells[column.positions[0]].strip()
    if not 0 < len(cell) <= _LONGEST_TEXT:
        place = f"row {row}, column {column.positions[0] + 1} ({column.name!r})"
        raise DataError(f"{path}: {place}: needs a text of 1 to {_LONGEST_TEXT} characters")
    return cell


def _parser(spec: TensorSpec) -> Callable[[str], Any]:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "b":
        return _truth
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return lambda cell: _bounded(float(cell), -largest, largest)
    limits = np.iinfo(dtype)
    return lambda cell: _bounded(_integer(cell), int(limits.min), int(limits.max))


def _truth(cell: str) -> bool:
    if cell.lower() not in _TRUTH:
        raise ValueError
    return _TRUTH[cell.lower()]


def _integer(cell: str) -> int:
    """Also "3.0", as spreadsheets and data frames like to write it."""
    try:
        return int(cell)
    except ValueError:
        number = float(cell)
        if not number.is_integer():
            raise
        return int(number)


def _bounded(number: N, low: N, high: N) -> N:
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError
    return number


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
