"""NPZ: one array a tensor, under the tensor's name."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec


def load_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file, unchecked.

    Raises:
        NotFoundError: no such file.
        DataError: no NPZ file, a damaged one, or one that holds Python objects.
    """
    problem = DataError(f"{path} is no NPZ file, a damaged one, or one that holds Python objects")
    if not path.is_file():
        raise NotFoundError(f"{path} is not there")
    if not zipfile.is_zipfile(path):
        raise problem
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        # Without the cause: its words may quote what the file holds.
        raise problem from None


def read_npz(path: Path, specs: Sequence[TensorSpec]) -> Examples:
    """Read `(n, *shape)` arrays whose names and dtypes are those of the specs.

    Raises:
        NotFoundError: no such file.
        DataError: no NPZ file, one that holds objects, or arrays that do not fit.
    """
    examples = load_npz(path)
    try:
        check_examples(specs, examples)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return examples
