"""Files that are there whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from fieldfare.core.errors import StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and move it there; a file that was there stays until then.

    Raises:
        StorageError: the folder is missing, or cannot be written to.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def check_writable(path: Path) -> None:
    """Notice before minutes of work that the result could not be written.

    Raises:
        StorageError: the folder is missing or cannot be written to, or `path` is a folder.
    """
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise StorageError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"cannot write {path}: no permission to write in {path.parent}")
