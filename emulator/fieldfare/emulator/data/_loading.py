"""Examples from a file, held to what the plan takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.core.files import load_npz
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.scenario import DataSettings
from fieldfare.sdk.reading import read_csv


@dataclass(frozen=True, slots=True)
class Table:
    """All examples.

    Attributes:
        examples: tensor name to `(n, *shape)` array.
        column: `(n,)`, whose each example is; None where no column was named.
    """

    examples: Examples
    column: NDArray[Any] | None


def load_table(settings: DataSettings, specs: Sequence[TensorSpec]) -> Table:
    """Read and check the source.

    Args:
        settings: file and column.
        specs: of one example, from the plan's manifest.

    Raises:
        ConfigError: a file of another kind.
        NotFoundError: no such file.
        DataError: arrays that do not fit; never shows a value.
    """
    path = settings.source
    match path.suffix.lower():
        case ".npz":
            arrays = load_npz(path)
            examples: Examples = {spec.name: arrays[spec.name] for spec in specs if spec.name in arrays}
            column = None if settings.column is None else arrays.get(settings.column)
        case ".csv":
            whose = () if settings.column is None else (TensorSpec(settings.column, "int64", ()),)
            read = read_csv(path, (*specs, *whose))
            examples = {spec.name: read[spec.name] for spec in specs}
            column = None if settings.column is None else read[settings.column]
        case _:
            raise ConfigError(f"{path}: only .npz and .csv files can be read", field="data.source")
    try:
        rows = check_examples(specs, examples)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if settings.column is not None and (column is None or column.shape != (rows,)):
        raise DataError(f"{path}: needs {settings.column!r} with one value for each of the {rows} examples")
    return Table({name: np.ascontiguousarray(array) for name, array in examples.items()}, column)
