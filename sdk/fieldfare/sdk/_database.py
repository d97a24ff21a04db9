"""How the SDK opens its SQLite files: owner only, write-ahead log, made whole or not at all."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldfare.core.errors import NotFoundError, StorageError
from fieldfare.core.files import OWNER_ONLY

BUSY_TIMEOUT_MS = 30_000
_LOG_BYTES = 1 << 20


@contextmanager
def storage_errors(what: str, path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StorageError`.

    Raises:
        StorageError: names the file and SQLite's own words, which hold no values.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(f"{what} {path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"{what} {path} is damaged: {error}; move it away with its -wal to begin with a new one"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of it or, after any exception or a kill, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A disk that is full, say, has SQLite roll back by itself, or leaves the transaction open at its COMMIT.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def create_database(path: Path, what: str, build: Callable[[sqlite3.Connection], None]) -> None:
    """Make the database under another name, then give it its own, so that no process ever sees half of one.

    Args:
        path: where it goes; where a file is there already, nothing happens.
        what: for messages ("the example store").
        build: makes the tables and their first rows.

    Raises:
        StorageError: the folder cannot be written, or the log of a file that is gone is there.
    """
    log = path.with_name(f"{path.name}-wal")
    # In this order: who makes the file names it before it has a log.
    if log.exists() and not path.exists():
        # SQLite would bring it into the new file, whatever it is of.
        raise StorageError(f"{log} was left behind by a file that is gone: move it to where that is, or delete it")
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        with storage_errors(what, path):
            connection = _connect(part)
            try:
                # The log comes last: what it cannot bring into the file when it is closed would be lost with its name.
                connection.execute("PRAGMA journal_mode = MEMORY")
                with transaction(connection):
                    build(connection)
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
        _name_unless_taken(part, path)
    except OSError as error:
        raise StorageError(f"{what} {path} cannot be made: {error.strerror}") from error
    finally:
        for ending in ("", "-wal", "-shm"):
            part.with_name(part.name + ending).unlink(missing_ok=True)


def open_database(path: Path, what: str, application_id: int, *, durable: bool = False) -> sqlite3.Connection:
    """Open an existing database; may be used from any thread, by one at a time.

    Args:
        path: the file.
        what: for messages ("the example store").
        application_id: whose database it must be.
        durable: a transaction that ended outlasts a power cut, not only a kill.

    Raises:
        NotFoundError: no such file.
        StorageError: damaged, or another program's.
    """
    if not path.is_file():
        raise NotFoundError(f"{what} {path} is not there")
    with storage_errors(what, path):
        connection = _connect(path)
        try:
            if durable:
                connection.execute("PRAGMA synchronous = FULL")
            found = connection.execute("PRAGMA application_id").fetchone()[0]
        except BaseException:
            connection.close()
            raise
    if found != application_id:
        connection.close()
        raise StorageError(f"{path} is not {what}: it belongs to another program")
    return connection


def migrate(
    connection: sqlite3.Connection, version: int, statements: Sequence[str], parameters: Mapping[str, Any] | None = None
) -> None:
    """Bring a file of the version before to this one, in one transaction.

    Args:
        connection: an open database.
        version: this one.
        statements: what makes one of the other.
        parameters: what statements name, such as `:now`.

    Raises:
        StorageError: the file is of a later version.
    """
    if _version(connection) == version:
        return
    with transaction(connection):
        # Looked at again: another process may have been faster.
        found = _version(connection)
        if found > version:
            raise StorageError(f"it is of version {found}, and this fieldfare knows {version}: update fieldfare")
        if found < version:
            for statement in statements:
                connection.execute(statement, parameters or {})
            connection.execute(f"PRAGMA user_version = {version}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@dataclass(frozen=True, slots=True)
class Place:
    """Where an open file is, to notice that nobody would find any more what is written into it.

    Attributes:
        path: absolute, since the process may change its folder.
        opened: device and number of the file when it was opened; None where it was gone already.
    """

    path: Path
    opened: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> "Place":
        """Of a file that was just opened."""
        return cls(path.absolute(), _identity(path))

    def check(self, what: str) -> None:
        """Before each change.

        Raises:
            StorageError: the file was removed, moved or replaced since.
        """
        if self.opened is None or _identity(self.path) != self.opened:
            raise StorageError(f"{what} {self.path} was removed or replaced while it was open: open it again")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    # Safe: every owner of a connection guards it with a lock of its own.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000)
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    return connection


def _name_unless_taken(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:
        # Safe: a file system without hard links; there a second creator in the same instant could win.
        if not path.exists():
            part.rename(path)
