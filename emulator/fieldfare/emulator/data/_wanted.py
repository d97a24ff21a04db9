"""What a source is asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns by the names that they have in the source.

    Attributes:
        specs: of one example, in the plan's order.
        columns: for each of them the column that holds it.
        whose: the column that tells whose each example is; None where that is not asked.
        most_bytes: what the tensors may come to in memory.
    """

    specs: tuple[TensorSpec, ...]
    columns: tuple[str, ...]
    whose: str | None
    most_bytes: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one example's tensors."""
        return sum(spec.nbytes for spec in self.specs)

    @property
    def by_column(self) -> Mapping[str, TensorSpec]:
        """The specs by their column's name."""
        return dict(zip(self.columns, self.specs, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Every column."""
        return self.columns if self.whose is None else (*self.columns, self.whose)

    def check_columns(self, known: Collection[str], place: str) -> None:
        """Refuse a source without a column that is wanted.

        Raises:
            DataError: it tells which one is missing, and which are there.
        """
        if missing := [name for name in self.names if name not in known]:
            raise DataError(
                f"{place}: has no column {missing[0]!r}, it has {_listed(known)}; data.columns can name others"
            )

    def check_rows(self, rows: int, place: str) -> None:
        """Refuse too many examples before they are in memory, and none at all.

        Raises:
            DataError: what `place` holds is too large, or nothing.
        """
        if rows == 0:
            raise DataError(f"{place}: there are no examples")
        if rows * self.row_bytes > self.most_bytes:
            raise DataError(
                f"{place}: {rows:,} examples of {self.row_bytes:,} bytes are more than data.most_bytes = "
                f"{self.most_bytes:,}"
            )


def _listed(names: Collection[str], most: int = 10) -> str:
    """The first ones, quoted."""
    shown = ", ".join(repr(name) for name in sorted(names)[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
