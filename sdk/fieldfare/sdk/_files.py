"""Writing files so that a kill or a power cut leaves the old content or the new one, never half of either."""

import os
import sys
from pathlib import Path

OWNER_ONLY = 0o600


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, readable by its owner only, and on the disk when this returns.

    Raises:
        OSError: the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Remove `path` where it is there; gone from the disk when this returns."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the folder's list of names to the disk; Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
