"""Data sets of Hugging Face's `datasets`: a folder that `save_to_disk` wrote, or a name on the hub."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.data.sources._arrow import batch_rows, columns_of, read_tables
from fieldfare.emulator.data.sources._packages import needed

HUB = "hub:"
_SAVED = ("dataset_info.json", "state.json", "dataset_dict.json")
_NAME = re.compile(r"([\w.-]{1,96}/[\w.-]{1,96})(?::([\w.-]{1,96}))?")


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote it."""
    return any((folder / name).is_file() for name in _SAVED)


def read_saved(folder: Path, wanted: Wanted, split: str | None) -> dict[str, NDArray[Any]]:
    """The wanted columns of a folder that `save_to_disk` wrote.

    Raises:
        ConfigError: `datasets` is not installed, a split that is not there, or none is named where there are several.
        DataError: a damaged folder, a column that is missing or does not fit, more than `data.most_bytes`.
    """
    return _read(lambda datasets: datasets.load_from_disk(str(folder)), str(folder), wanted, split)


def read_from_hub(name: str, wanted: Wanted, split: str | None) -> dict[str, NDArray[Any]]:
    """The wanted columns of a data set on the hub, which is fetched and kept in the user's cache.

    Nothing that comes from there is executed.

    Args:
        name: "OWNER/NAME", or "OWNER/NAME:CONFIG" where it has several configurations.
        wanted: what the plan takes.
        split: of the data set.

    Raises:
        ConfigError: another name, and as `read_saved`.
        DataError: it is not there or cannot be reached, and as `read_saved`.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(
            f'must be "hub:OWNER/NAME" or "hub:OWNER/NAME:CONFIG", got {HUB + name!r}', field="data.source"
        )
    return _read(lambda datasets: datasets.load_dataset(found[1], found[2]), f"{HUB}{name}", wanted, split)


def _read(load: Callable[[Any], Any], place: str, wanted: Wanted, split: str | None) -> dict[str, NDArray[Any]]:
    datasets = needed("datasets", to=f"reading {place}", extra="datasets")
    arrow = needed("pyarrow", to=f"reading {place}", extra="datasets")
    try:
        found = _split(load(datasets), place, split)
        columns = columns_of(wanted, found.column_names, place)
        wanted.check_rows(len(found), place)
        # As it lies on the disk: the rows of a selection or shuffle come in their order.
        held = [name for names in columns.values() for name in names]
        tables = found.select_columns(held).with_format("arrow").iter(batch_rows(wanted))
        return read_tables(tables, len(found), columns, wanted, place)
    except ConnectionError as error:
        raise DataError(f"{place}: the hub cannot be reached; save it with save_to_disk and name the folder") from error
    except (OSError, ValueError, KeyError, TypeError, arrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        # Without the cause's words, which may quote what the data set holds.
        raise DataError(
            f"{place}: `datasets` cannot read it ({type(error).__name__}): no such data set or configuration, or a "
            "damaged one"
        ) from None


def _split(found: Any, place: str, split: str | None) -> Any:
    """One data set out of a dictionary of splits."""
    if not isinstance(found, dict):
        if split is not None:
            raise ConfigError(f"{place} has no splits: leave it out", field="data.split")
        return found
    if split is None and len(found) == 1:
        return next(iter(found.values()))
    if split not in found:
        raise ConfigError(f"must be one of the splits of {place}: {', '.join(sorted(found))}", field="data.split")
    return found[split]
