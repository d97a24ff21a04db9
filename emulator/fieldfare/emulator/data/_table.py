"""All examples of a fleet, held to what the plan takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data._fitting import fit_column, fit_tensor
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.scenario import DataSettings


@dataclass(frozen=True, slots=True)
class Table:
    """All examples.

    Attributes:
        examples: tensor name to `(n, *shape)` array.
        column: `(n,)`, whose each example is; None where no column was named.
    """

    examples: Examples
    column: NDArray[Any] | None


def wanted_of(settings: DataSettings, specs: Sequence[TensorSpec]) -> Wanted:
    """What has to be read.

    Args:
        settings: which column holds which tensor.
        specs: of one example, from the plan's manifest.

    Raises:
        ConfigError: `data.columns` names a tensor that the plan does not have.
    """
    known = [spec.name for spec in specs]
    if unknown := sorted(set(settings.columns) - set(known)):
        raise ConfigError(
            f"the plan's examples have no tensor {unknown[0]!r}; they have {', '.join(known)}", field="data.columns"
        )
    columns = tuple(settings.columns.get(spec.name, spec.name) for spec in specs)
    if len({*columns, settings.column}) <= len(columns):
        raise ConfigError(f"a column is named twice: {', '.join(columns)}; {settings.column}", field="data.columns")
    return Wanted(tuple(specs), columns, settings.column, settings.most_bytes)


def table_of(arrays: Mapping[str, NDArray[Any]], wanted: Wanted, place: str) -> Table:
    """Arrays as a table: of the plan's dtypes and shapes, where no value is changed by that but by rounding.

    Args:
        arrays: by the column's name; others than the wanted ones are passed over.
        wanted: what the plan takes.
        place: where they come from, for messages.

    Raises:
        DataError: a column that is missing or does not fit; never shows a value.
    """
    wanted.check_columns(arrays.keys(), place)
    examples = {
        spec.name: fit_tensor(spec, arrays[column], f"{place}: {column!r}")
        for spec, column in zip(wanted.specs, wanted.columns, strict=True)
    }
    try:
        rows = check_examples(wanted.specs, examples)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    if wanted.whose is None:
        return Table(examples, None)
    return Table(examples, fit_column(arrays[wanted.whose], rows, f"{place}: {wanted.whose!r}"))
