"""Calibration and evaluation examples from NPZ files: arrays by the names in the plan's manifest."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec


def read_examples(path: Path, specs: Sequence[TensorSpec], *, spare: Sequence[TensorSpec] = ()) -> Examples:
    """Read and check `(n, *shape)` arrays, named as the specs.

    Args:
        path: an `.npz` file.
        specs: of one example.
        spare: what the file may hold besides, unread.

    Raises:
        DataError: no NPZ file, a damaged one, one with Python objects, or arrays that do not fit; never shows a value.
        NotFoundError: the file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files if name not in {one.name for one in spare}}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error):
        # Without the cause: its words may quote what the file holds. An NPY file gives an array, not an archive.
        raise DataError(f"{path} is no NPZ file, a damaged one, or one that holds Python objects") from None
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        check_examples(specs, found)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return found
