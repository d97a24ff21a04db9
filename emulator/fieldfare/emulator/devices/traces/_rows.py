"""Rows of a trace's CSV file, each with its line, so that a mistake can be named."""

import csv
import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from fieldfare.core.errors import DataError

MOST_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a trace.

    Attributes:
        path: of the file.
        line: from 1, the header's.
        values: by column.
    """

    path: Path
    line: int
    values: dict[str, str]

    def mistake(self, words: str) -> DataError:
        """The error to raise for this line."""
        return DataError(f"{self.path}, line {self.line}: {words}")

    def name(self, column: str) -> str:
        """A text that is not empty.

        Raises:
            DataError: it is.
        """
        if not (text := self.values[column].strip()):
            raise self.mistake(f"{column} is empty")
        return text

    def number(self, column: str, most: float) -> float:
        """A number from 0.

        Raises:
            DataError: it is none, negative, or more than `most`.
        """
        text = self.values[column]
        try:
            found = float(text)
        except ValueError:
            raise self.mistake(f"{column} must be a number, got {text!r}") from None
        if not 0 <= found <= most or math.isnan(found):
            raise self.mistake(f"{column} must be 0 to {most:g}, got {text!r}")
        return found

    def choice(self, column: str, options: Sequence[str]) -> int:
        """Which of some words it is, as its place among them.

        Raises:
            DataError: another word.
        """
        text = self.values[column].strip()
        if text not in options:
            raise self.mistake(f"{column} must be one of {', '.join(options)}, got {text!r}")
        return options.index(text)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The lines after the header.

    Args:
        path: a CSV file in UTF-8 with exactly these columns, in any order.
        columns: their names.

    Raises:
        DataError: it cannot be read; a column that is unknown or not there; a line of another length; too many lines.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, columns)
            for count, cells in enumerate(reader, start=1):
                row = Row(path, reader.line_num, dict(zip(header, cells, strict=False)))
                if len(cells) != len(header):
                    raise row.mistake(f"has {len(cells)} values, and the header {len(header)}")
                if count > MOST_ROWS:
                    raise row.mistake(f"a trace has at most {MOST_ROWS:,} rows")
                yield row
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8: {error}") from error


def read_groups(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Rows that belong together by their first column, which must stand together.

    Raises:
        DataError: see `read_rows`; a name that comes again later; no rows at all.
    """
    seen: set[str] = set()
    for name, group in groupby(read_rows(path, columns), lambda row: row.name(columns[0])):
        rows = list(group)
        if name in seen:
            raise rows[0].mistake(
                f"{columns[0]} {name!r} stands above already: put its rows together, in order of time"
            )
        seen.add(name)
        yield name, rows
    if not seen:
        raise DataError(f"{path} has no rows below its header")


def check_follows(row: Row, begins: float, ends: float, before: float | None, what: str) -> None:
    """Refuse a row that does not begin where the one before it ended.

    Args:
        row: the row.
        begins: in seconds.
        ends: in seconds.
        before: end of the row before; None for the first.
        what: whose rows they are, for the message.

    Raises:
        DataError: a gap, an overlap, rows out of order, an end that is not after its start.
    """
    if ends <= begins:
        raise row.mistake("its end is not after its start")
    if before is not None and begins > before:
        raise row.mistake(
            f"a gap of {begins - before:g} s in the rows of {what}: give a row for that time, or move the start"
        )
    if before is not None and begins < before:
        raise row.mistake(
            f"begins {before - begins:g} s before the row above ends: rows of {what} overlap or lack order"
        )


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in header]:
        raise DataError(f"{path} has no column {missing[0]!r}: its header must be {','.join(columns)}")
    for name in header:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its header must be {','.join(columns)}"
            raise DataError(f"{path} has an unknown column {name!r}: {hint}")
    if len(set(header)) < len(header):
        raise DataError(f"{path} names a column twice: its header must be {','.join(columns)}")
