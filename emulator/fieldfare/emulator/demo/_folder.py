"""The demo's result folder: made, or emptied where an earlier demo made it; never anybody else's files."""

import shutil
from pathlib import Path

from fieldfare.aggregator.storage import StateFolder
from fieldfare.core.errors import StorageError

STATE = "state"
"""The aggregator's part of the folder."""

_MARKER = ".fieldfare-demo"


def prepare_folder(path: Path) -> Path:
    """Return an empty folder at `path`.

    Raises:
        StorageError: it cannot be made or written, or holds files that no demo wrote, or a demo is running there.
    """
    if path.exists() and not path.is_dir():
        raise StorageError(f"cannot write to {path}: it is a file; choose a folder with --output")
    try:
        if path.is_dir() and any(path.iterdir()):
            if not (path / _MARKER).is_file():
                raise StorageError(f"{path} holds files that no demo wrote: choose another folder with --output")
            _empty(path)
        path.mkdir(parents=True, exist_ok=True)
        (path / _MARKER).write_text("made by `fieldfare demo`, which empties this folder on its next run\n")
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error.strerror}; choose another folder with --output") from error
    return path


def _empty(path: Path) -> None:
    # Its lock tells whether a demo is running there.
    with StateFolder(path / STATE):
        # The marker stays, so that the next run may go on where this is interrupted.
        for child in path.iterdir():
            if child.name != _MARKER:
                _remove(child)


def _remove(child: Path) -> None:
    if child.is_dir() and not child.is_symlink():
        shutil.rmtree(child)
    else:
        child.unlink()
