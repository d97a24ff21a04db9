"""CSV files: a header, then one example a row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.sdk.reading import read_csv as read_tensors

# A value takes at least a digit and a comma, and its array at most 8 bytes.
_BYTES_OF_A_CHARACTER = 4


def read_csv(path: Path, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """The wanted columns, see `fieldfare.sdk.reading.read_csv`.

    Raises:
        NotFoundError: no such file.
        DataError: a file that may not fit into memory, or content that does not fit the plan.
    """
    try:
        nbytes = path.stat().st_size
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
    if nbytes * _BYTES_OF_A_CHARACTER > wanted.most_bytes:
        raise DataError(
            f"{path}: {nbytes:,} bytes of text may come to more than data.most_bytes = {wanted.most_bytes:,}"
        )
    specs = [replace(spec, name=column) for column, spec in wanted.by_column.items()]
    return dict(read_tensors(path, specs, text=wanted.whose))
