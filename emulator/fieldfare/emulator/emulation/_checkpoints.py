"""Where a run stands, on disk: written after each round, so that a run that was interrupted goes on from there."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fieldfare.core.errors import StorageError
from fieldfare.core.files import write_atomically

_STATE, _DATABASE = "state.json", "aggregator.db"


class Checkpoints:
    """One folder for each checkpoint, of which the newest one is kept.

    Args:
        folder: made where it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, state: Mapping[str, Any], database: Path) -> None:
        """Keep a state together with a copy of the aggregator's data base.

        Raises:
            StorageError: it cannot be written; the last one is still there.
        """
        number = 1 + max(self._numbers(), default=0)
        part, whole = self._folder / "part", self._path(number)
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(part / _DATABASE)) as copy:
                source.backup(copy)
            write_atomically(part / _STATE, json.dumps(state).encode())
            part.rename(whole)
            for old in self._numbers() - {number}:
                shutil.rmtree(self._path(old))
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"a checkpoint of the run cannot be written to {self._folder}: {error}") from error

    def newest(self) -> dict[str, Any] | None:
        """The state that was written last; None where there is none.

        Raises:
            StorageError: it cannot be read.
        """
        number = max(self._numbers(), default=None)
        if number is None:
            return None
        path = self._path(number) / _STATE
        try:
            state: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} cannot be read: {error}; run again without --resume") from error
        return state

    def restore(self, database: Path) -> None:
        """Put the newest checkpoint's copy of the data base where the aggregator opens it.

        Raises:
            StorageError: it cannot be written.
        """
        copy = self._path(max(self._numbers())) / _DATABASE
        try:
            for suffix in ("", "-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
            shutil.copyfile(copy, database)
        except OSError as error:
            raise StorageError(f"{database} cannot be restored: {error.strerror or error}") from error

    def _numbers(self) -> set[int]:
        if not self._folder.is_dir():
            return set()
        return {int(path.name) for path in self._folder.iterdir() if path.name.isdecimal()}

    def _path(self, number: int) -> Path:
        return self._folder / str(number)
