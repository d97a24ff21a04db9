"""Parquet files: a column for each tensor, or one for each of its values."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.data.sources._arrow import batch_rows, columns_of, read_tables
from fieldfare.emulator.data.sources._packages import needed


def read_parquet(path: Path, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """The wanted columns, read some thousand rows at a time.

    Numbers, and lists of them of one length; `name.0`, `name.1`, ... for a tensor's flattened values; pictures as PNG
    or JPEG bytes.

    Raises:
        ConfigError: pyarrow is not installed.
        NotFoundError: no such file.
        DataError: a damaged file, a column that is missing or does not fit, more than `data.most_bytes`.
    """
    arrow = needed("pyarrow", to="reading .parquet files", extra="emulator")
    parquet = needed("pyarrow.parquet", to="reading .parquet files", extra="emulator")
    try:
        content = path.open("rb")
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
    with content:
        try:
            file = parquet.ParquetFile(content)
            columns = columns_of(wanted, file.schema_arrow.names, str(path))
            wanted.check_rows(file.metadata.num_rows, str(path))
            names = [name for held in columns.values() for name in held]
            batches = file.iter_batches(batch_rows(wanted), columns=names)
            return read_tables(batches, file.metadata.num_rows, columns, wanted, str(path))
        except (OSError, UnicodeDecodeError, arrow.ArrowException):
            # Without the cause: its words may quote what the file holds.
            raise DataError(f"{path} is no Parquet file, or a damaged one") from None
