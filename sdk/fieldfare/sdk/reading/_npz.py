"""NPZ: one array a tensor, under the tensor's name."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec


def read_npz(path: Path, specs: Sequence[TensorSpec]) -> Examples:
    """Read `(n, *shape)` arrays whose names and dtypes are those of the specs.

    Raises:
        NotFoundError: no such file.
        DataError: no NPZ file, one that holds objects, or arrays that do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is no NPZ file")
            examples = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is not there") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        # Safe to drop the cause: its words may quote what the file holds.
        raise DataError(f"{path} is no NPZ file, a damaged one, or one that holds Python objects") from None
    try:
        check_examples(specs, examples)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return examples
