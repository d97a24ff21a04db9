"""NPZ files: an array for each tensor."""

import zipfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.files import load_npz
from fieldfare.emulator.data._wanted import Wanted


def read_npz(path: Path, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """The wanted arrays that are there.

    Raises:
        NotFoundError: no such file.
        DataError: a damaged file, one without an array that is wanted, or one with larger arrays than are allowed.
    """
    arrays = load_npz(path, wanted.names, most_bytes=wanted.most_bytes)
    if set(wanted.names) - set(arrays):
        with zipfile.ZipFile(path) as archive:
            wanted.check_columns([name.removesuffix(".npy") for name in archive.namelist()], str(path))
    return arrays
