"""A folder of pictures: one sub-folder for each label."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data._wanted import Wanted
from fieldfare.emulator.data.sources._pictures import picture_size, read_picture

_ENDINGS = {".png", ".jpg", ".jpeg"}


def read_images(folder: Path, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """Pictures and labels, in the order of their names.

    `LABEL/FILE`, or `WHOSE/LABEL/FILE` where a column is wanted that tells whose each example is. Labels are numbered
    from 0 in the order of their names, over the whole folder. Files that begin with a dot are passed over.

    Raises:
        ConfigError: Pillow is not installed.
        DataError: no pictures, a file that is none, a picture of another size than the plan's, or a plan whose examples
            are no picture and label; says which file.
    """
    picture, label = _roles(wanted, folder)
    files = list(_files(folder, depth=1 if wanted.whose is None else 2))
    if not files:
        raise DataError(f"{folder}: there are no pictures; needs a sub-folder for each label, with .png or .jpg files")
    wanted.check_rows(len(files), str(folder))
    names = sorted({path.parent.name for path in files})
    pixels = np.empty((len(files), *wanted.by_column[picture].shape), wanted.by_column[picture].dtype)
    for index, path in enumerate(files):
        pixels[index] = read_picture(path, wanted.by_column[picture], str(path))
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[path.parent.name] for path in files], np.int64)
    arrays: dict[str, NDArray[Any]] = {picture: pixels, label: _coded(labels, names, wanted.by_column[label], folder)}
    if wanted.whose is not None:
        arrays[wanted.whose] = np.array([path.parent.parent.name for path in files])
    return arrays


def _coded(labels: NDArray[np.int64], names: Sequence[str], spec: TensorSpec, folder: Path) -> NDArray[Any]:
    """The labels as numbers or one-hot, as the plan takes them."""
    if spec.size == 1:
        return labels
    if spec.size != len(names):
        raise DataError(f"{folder}: has {len(names)} labels, and {spec.name!r} of the plan takes {spec.size}, one-hot")
    one_hot: NDArray[Any] = np.eye(spec.size, dtype=spec.dtype)[labels]
    return one_hot


def _roles(wanted: Wanted, folder: Path) -> tuple[str, str]:
    """Which column is the picture, and which the label."""

    def is_label(spec: TensorSpec) -> bool:
        is_number = spec.size == 1 and np.dtype(spec.dtype).kind in "iu"
        return is_number or (len(spec.shape) == 1 and spec.size > 1)

    pictures = [name for name, spec in wanted.by_column.items() if picture_size(spec) and not is_label(spec)]
    labels = [name for name, spec in wanted.by_column.items() if is_label(spec)]
    if len(wanted.specs) != 2 or len(pictures) != 1 or len(labels) != 1:  # noqa: PLR2004
        told = ", ".join(f"{spec.name!r} {spec.dtype}{list(spec.shape)}" for spec in wanted.specs)
        raise DataError(
            f"{folder}: a folder of pictures fits a plan that takes one picture, [height, width] or [height, width, "
            f"1, 3 or 4], and one label, a whole number or one-hot; this one takes {told}"
        )
    return pictures[0], labels[0]


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """In the order of their names, so that it is the same on every machine."""
    for path in sorted(_listed(folder)):
        if depth and not path.is_dir():
            raise DataError(f"{path}: stands where a folder is needed: one for each label")
        if depth:
            yield from _files(path, depth - 1)
        elif path.suffix.lower() in _ENDINGS and path.is_file():
            yield path
        else:
            raise DataError(f"{path} is no .png, .jpg or .jpeg file")


def _listed(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error
    if not found:
        raise DataError(f"{folder}: is empty; needs a sub-folder for each label, with .png or .jpg files")
    return found
