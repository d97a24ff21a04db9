"""CSV and NPZ files as examples. Errors name file, row and column, never a value."""

from collections.abc import Sequence
from pathlib import Path

from fieldfare.core.errors import DataError
from fieldfare.core.files import read_npz
from fieldfare.core.plans import Examples
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.reading._csv import read_csv

__all__ = ["read_csv", "read_examples"]


def read_examples(path: Path, specs: Sequence[TensorSpec]) -> Examples:
    """Read a file of examples; its ending says how.

    Raises:
        NotFoundError: no such file.
        DataError: another ending, or content that does not fit the specs.
    """
    match path.suffix.lower():
        case ".csv":
            return read_csv(path, specs)
        case ".npz":
            return read_npz(path, specs)
        case _:
            raise DataError(f"{path}: only .csv and .npz files can be read")
