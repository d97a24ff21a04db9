"""Examples from a scenario's source, or from arrays in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldfare.core.errors import ConfigError, NotFoundError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data._table import Table, table_of, wanted_of
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.scenario import DataSettings

_KINDS = (
    'a .npz, .csv or .parquet file, a folder of pictures or of `datasets`, "hub:OWNER/NAME", or "file.py:function" '
    "that returns a tf.data.Dataset"
)


def load_table(settings: DataSettings, specs: Sequence[TensorSpec]) -> Table:
    """Read and check the source.

    Args:
        settings: source and columns.
        specs: of one example, from the plan's manifest.

    Raises:
        ConfigError: a source of another kind, columns that cannot be, a package that is not installed.
        NotFoundError: no such file or folder.
        DataError: examples that do not fit the plan, or are too many; never shows a value.
        ModelError: the user's function that makes a `tf.data.Dataset` failed.
    """
    wanted = wanted_of(settings, specs)
    return table_of(_read(settings, wanted), wanted, settings.source)


def table_from_arrays(settings: DataSettings, specs: Sequence[TensorSpec], arrays: Mapping[str, ArrayLike]) -> Table:
    """As `load_table`, of arrays in memory that stand for the source.

    Args:
        settings: of these the columns count, and how many bytes are allowed.
        specs: of one example, from the plan's manifest.
        arrays: by the column's name, `(n, ...)` each.

    Raises:
        ConfigError: columns that cannot be.
        DataError: arrays that do not fit the plan, or are too many; never shows a value.
    """
    wanted = wanted_of(settings, specs)
    found = {name: np.asarray(array) for name, array in arrays.items()}
    rows = {array.shape[0] if array.ndim else 0 for name, array in found.items() if name in wanted.columns}
    wanted.check_rows(max(rows, default=0), "the arrays")
    return table_of(found, wanted, "the arrays")


def _read(settings: DataSettings, wanted: Wanted) -> Mapping[str, NDArray[Any]]:
    # Imported here: worker processes read no sources.
    from fieldfare.emulator.data import sources

    source, path = settings.source, Path(settings.source)
    is_folder = path.is_dir()
    if source.startswith(sources.HUB):
        return sources.read_from_hub(source.removeprefix(sources.HUB), wanted, settings.split)
    if is_folder and sources.is_saved(path):
        return sources.read_saved(path, wanted, settings.split)
    if settings.split is not None:
        raise ConfigError("only data sets of `datasets` have splits: leave it out", field="data.split")
    if is_folder:
        return sources.read_images(path, wanted)
    readers = {".npz": sources.read_npz, ".csv": sources.read_csv, ".parquet": sources.read_parquet}
    if path.suffix.lower() in readers:
        return readers[path.suffix.lower()](path, wanted)
    if ":" in source:
        return sources.read_tf_data(source, wanted)
    if not path.exists():
        raise NotFoundError(f"data.source: there is no file or folder {source}")
    raise ConfigError(f"{source}: must be {_KINDS}", field="data.source")
