"""Files that are there whole or not at all: all that core does with files, and only where the caller says.

It is here because device, aggregator and converters all need it, and a second way to do it would be a second way to
lose data.
"""

import contextlib
import os
import sys
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, DataError, NotFoundError, StorageError, WeightsError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec, weights_from_bytes, weights_to_bytes

__all__ = [
    "HALF_WRITTEN",
    "OWNER_ONLY",
    "check_writable",
    "load_npz",
    "load_weights",
    "read_npz",
    "read_small",
    "remove_durably",
    "save_weights",
    "sync_folder",
    "write_atomically",
]

OWNER_ONLY = 0o600
"""Mode of a file that nobody but its owner reads."""

HALF_WRITTEN = ".part"
"""Ending of a file that is being written; what a kill left behind may be removed."""


def write_atomically(path: Path, content: bytes | Iterable[bytes | memoryview], *, mode: int = 0o666) -> None:
    """Replace `path` by `content`; on the disk when this returns, name and all.

    A kill or a power cut leaves the old content or the new one, never half of either.

    Args:
        path: its folder must be there.
        content: all of it, or its parts in order.
        mode: of the file, less what the process's umask takes.

    Raises:
        StorageError: it cannot be written; what was at `path` is still there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{HALF_WRITTEN}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        # Also after an error of who makes the content.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        raise


def remove_durably(path: Path) -> None:
    """Remove `path` where it is there; gone from the disk when this returns.

    Raises:
        StorageError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot remove {path}: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Bring the folder's list of names to the disk.

    Raises:
        OSError: it cannot be opened or synced.
    """
    if sys.platform == "win32":  # pragma: no cover - folders cannot be opened there, and need not be
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(path: Path) -> None:
    """Notice before minutes of work that a file could not be written.

    Raises:
        StorageError: the folder is missing or cannot be written to, or `path` is a folder.
    """
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise StorageError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"cannot write {path}: no permission to write in {path.parent}")


def read_small(path: Path, *, field: str, most_bytes: int = 2**20) -> bytes:
    """The content of a file that a person wrote.

    Args:
        path: the file.
        field: the flag that named it, for messages.
        most_bytes: a larger file is refused before it is in memory.

    Raises:
        ConfigError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", field=field) from error
    if len(content) > most_bytes:
        raise ConfigError(f"{path} is larger than {most_bytes // 2**20} MiB: it is no configuration", field=field)
    return content


def save_weights(path: str | Path, specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> None:
    """Write the weights by name, whole or not at all; the ending says how: .safetensors, .npz or .weights.

    Args:
        path: the file.
        specs: in the plan's order.
        vector: `(total,)` float32.

    Raises:
        ConfigError: another ending.
        StorageError: `path` cannot be written.
        WeightsError: a vector of another length.
    """
    path = Path(path)
    write_atomically(path, weights_to_bytes(path.suffix, specs, vector))


def load_weights(path: str | Path, specs: Sequence[TensorSpec]) -> NDArray[np.float32]:
    """Read the weights that `specs` name; the file's content tells its format.

    Returns:
        `(total,)` float32, finite.

    Raises:
        NotFoundError: the file cannot be read.
        WeightsError: no such file, a damaged one, or tensors that do not fit the specs.
    """
    try:
        return weights_from_bytes(specs, Path(path).read_bytes())
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def load_npz(
    path: Path, names: Collection[str] | None = None, *, most_bytes: int | None = None
) -> dict[str, NDArray[Any]]:
    """Arrays of an NPZ file, unchecked.

    Args:
        path: the file.
        names: of the arrays to read, where they are there; None for all.
        most_bytes: what these may come to; None for any size. More is refused before it is in memory.

    Raises:
        NotFoundError: no such file, or one that cannot be read.
        DataError: no NPZ file, a damaged one, one that holds Python objects, or one with larger arrays.
    """
    try:
        # Not NumPy's own opening: it raises OSError for a damaged archive as well.
        content = path.open("rb")
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
    with content:
        problem = DataError(f"{path} is no NPZ file, a damaged one, or one that holds Python objects")
        if not zipfile.is_zipfile(content):
            raise problem
        content.seek(0)
        try:
            with np.load(content, allow_pickle=False) as archive:
                wanted = [name for name in archive.files if names is None or name in names]
                _check_size(path, archive, wanted, most_bytes)
                return {name: archive[name] for name in wanted}
        except (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error):
            # Without the cause: its words may quote what the file holds.
            raise problem from None


def _check_size(path: Path, archive: Any, names: Iterable[str], most_bytes: int | None) -> None:
    """By what the archive says of its members, none of which gives more than it says."""
    if most_bytes is None:
        return
    sizes = {one.filename.removesuffix(".npy"): one.file_size for one in archive.zip.infolist()}
    if (nbytes := sum(sizes[name] for name in names)) > most_bytes:
        raise DataError(f"{path}: its arrays come to {nbytes:,} bytes, and at most {most_bytes:,} are allowed")


def read_npz(path: Path, specs: Sequence[TensorSpec], *, spare: Sequence[TensorSpec] = ()) -> Examples:
    """Examples from an NPZ file: `(n, *shape)` arrays whose names and dtypes are those of the specs.

    Args:
        path: the file.
        specs: of one example.
        spare: what the file may hold besides, unread.

    Raises:
        NotFoundError: no such file, or one that cannot be read.
        DataError: no NPZ file, a damaged one, or arrays that do not fit; never shows a value.
    """
    unread = {one.name for one in spare}
    examples = {name: array for name, array in load_npz(path).items() if name not in unread}
    try:
        check_examples(specs, examples)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return examples
