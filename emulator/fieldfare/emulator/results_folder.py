"""A folder for results: made, or emptied where an earlier run of the same command made it; never other files."""

import shutil
from pathlib import Path

from fieldfare.aggregator.storage import StateFolder
from fieldfare.core.errors import StorageError

STATE = "state"
"""The aggregator's part of the folder."""


def prepare_folder(path: Path, command: str) -> Path:
    """Return an empty folder at `path`.

    Args:
        path: the folder.
        command: whose results it is for, such as "demo".

    Raises:
        StorageError: it cannot be made or written, or holds files that this command did not write, or the command is
            running there.
    """
    marker = f".fieldfare-{command}"
    if path.exists() and not path.is_dir():
        raise StorageError(f"cannot write to {path}: it is a file; choose a folder with --output")
    try:
        if path.is_dir() and any(path.iterdir()):
            if not (path / marker).is_file():
                raise StorageError(f"{path} holds files that no {command} wrote: choose another folder with --output")
            _empty(path, marker)
        path.mkdir(parents=True, exist_ok=True)
        (path / marker).write_text(f"made by `fieldfare {command}`, which empties this folder on its next run\n")
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error.strerror}; choose another folder with --output") from error
    return path


def reopen_folder(path: Path, command: str) -> Path:
    """Return the folder with what an earlier run left there; an empty one where there was none.

    Args:
        path: the folder.
        command: whose results it holds.

    Raises:
        StorageError: it holds files that this command did not write, or cannot be written.
    """
    return path if (path / f".fieldfare-{command}").is_file() else prepare_folder(path, command)


def _empty(path: Path, marker: str) -> None:
    # Its lock tells whether a run is under way there.
    with StateFolder(path / STATE):
        # The marker stays, so that the next run may go on where this is interrupted.
        for child in path.iterdir():
            if child.name != marker:
                _remove(child)


def _remove(child: Path) -> None:
    if child.is_dir() and not child.is_symlink():
        shutil.rmtree(child)
    else:
        child.unlink()
