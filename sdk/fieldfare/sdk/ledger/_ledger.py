"""`Ledger`: append-only rows, each sealed with the hash of all rows before it."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fieldfare.core.errors import StateError, StorageError
from fieldfare.sdk._database import create_database, open_database, storage_errors, transaction

_APPLICATION_ID = 0x46464C47  # "FFLG"
_WHAT = "the ledger"
_FIRST = bytes(32)
_SCHEMA = (
    """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        task TEXT NOT NULL,
        round INTEGER NOT NULL,
        kind TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        norm REAL,
        encoding TEXT NOT NULL,
        digest BLOB NOT NULL
    )
    """,
    "CREATE TRIGGER no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)
_COLUMNS = "number, time, task, round, kind, bytes, norm, encoding, digest"


class LedgerKind(Enum):
    """What kind of message left the device."""

    CHECK_IN = "check_in"
    """The device's id, its population and its capabilities."""
    ENROLL = "enroll"
    """A one-time key, the device's id and its public key."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """The device's id and the time, signed: asks for an access token."""
    FETCH = "fetch"
    """A request for a plan or checkpoint."""
    UPDATE = "update"
    """A weight delta or gradient, with its metrics."""
    METRICS = "metrics"
    """The metrics of an evaluation."""
    WITHDRAWAL = "withdrawal"
    """That the device gave up, and why as one of four codes."""
    RECEIPT = "receipt"
    """The question what became of a report."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row.

    Attributes:
        number: counts from 1 without gaps.
        time: UTC, when the message was about to leave.
        task: the task's id; empty for a check-in.
        round_number: the task's round; 0 for a check-in.
        kind: what it was.
        size_bytes: size of the serialised messages; what HTTP/2 and TLS add is not in it.
        update_norm: Euclidean norm of an update; None for anything else.
        encoding: names of an update's encoding stages joined by "+"; empty for anything else.
        digest: SHA-256 over the row before it and this one's fields.
    """

    number: int
    time: datetime
    task: str
    round_number: int
    kind: LedgerKind
    size_bytes: int
    update_norm: float | None
    encoding: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Total:
    """Messages of one kind, and their bytes."""

    messages: int
    size_bytes: int


class Ledger:
    """One SQLite file with the rights 0600; see `Ledger.open`. Methods may be called from any thread.

    A row cannot be changed or removed without `verify` noticing, short of computing every later digest anew: the
    ledger protects its reader against mistakes and partial edits, not against who controls the device.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Self:
        """Open the ledger, or make an empty one.

        Raises:
            NotFoundError: it is not there and `create` is False.
            StorageError: damaged, or no ledger.
        """
        path = Path(path)
        if create and not path.exists():
            create_database(path, _WHAT, _build)
        return cls(path, open_database(path, _WHAT, _APPLICATION_ID, durable=True))

    def record(
        self,
        kind: LedgerKind,
        size_bytes: int,
        *,
        time: datetime,
        task: str = "",
        round_number: int = 0,
        update_norm: float | None = None,
        encoding: str = "",
    ) -> None:
        """Append a row; it is in the file when this returns.

        Raises:
            StorageError: it cannot be written. Then the message MUST NOT leave.
        """
        with self._using() as connection, transaction(connection):
            last = connection.execute("SELECT number, digest FROM entries ORDER BY number DESC LIMIT 1").fetchone()
            number, before = (last[0] + 1, last[1]) if last else (1, _FIRST)
            stamp = time.astimezone(UTC).isoformat()
            fields = (number, stamp, task, round_number, kind.value, size_bytes, update_norm, encoding)
            row = (*fields, _digest(before, fields))
            connection.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608

    def __iter__(self) -> Iterator[LedgerEntry]:
        """Oldest first.

        Raises:
            StorageError: a row that cannot be read.
        """
        after = 0
        while rows := self._page(after):
            for row in rows:
                try:
                    entry = _entry(row)
                except (TypeError, ValueError) as error:
                    raise StorageError(f"{_WHAT} {self.path} is damaged: row {row[0]} cannot be read") from error
                yield entry
            after = rows[-1][0]

    def __len__(self) -> int:
        with self._using() as connection:
            return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])

    def totals(self) -> dict[LedgerKind, Total]:
        """Messages and bytes of each kind that occurs."""
        with self._using() as connection:
            rows = connection.execute("SELECT kind, count(*), sum(bytes) FROM entries GROUP BY kind").fetchall()
        found = {kind: Total(messages, size) for kind, messages, size in rows}
        return {kind: found[kind.value] for kind in LedgerKind if kind.value in found}

    def total_bytes(self) -> int:
        """Bytes of all messages."""
        with self._using() as connection:
            return int(connection.execute("SELECT coalesce(sum(bytes), 0) FROM entries").fetchone()[0])

    def last_bytes(self, kind: LedgerKind, *, task: str, round_number: int) -> int:
        """Bytes of the newest message of a kind in a round; 0 where there is none."""
        query = "SELECT bytes FROM entries WHERE kind = ? AND task = ? AND round = ? ORDER BY number DESC LIMIT 1"
        with self._using() as connection:
            found = connection.execute(query, (kind.value, task, round_number)).fetchone()
        return int(found[0]) if found else 0

    def verify(self) -> int | None:
        """Compute the chain again.

        Returns:
            None where every row is as it was written; else the number of the first row that was changed, or that is
            missing.
        """
        before, number = _FIRST, 0
        while rows := self._page(number):
            for row in rows:
                number += 1
                if row[0] != number or row[8] != _digest(before, row[:8]):
                    return number
                before = row[8]
        with self._using() as connection:
            found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        # SQLite counts the rows that there ever were: rows cut off at the end show here.
        return number + 1 if found is not None and found[0] != number else None

    def close(self) -> None:
        """Release the file. May be called twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _page(self, after: int) -> list[tuple[Any, ...]]:
        query = f"SELECT {_COLUMNS} FROM entries WHERE number > ? ORDER BY number LIMIT 1000"  # noqa: S608
        with self._using() as connection:
            return connection.execute(query, (after,)).fetchall()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, storage_errors(_WHAT, self.path):
            if self._connection is None:
                raise StateError(f"{_WHAT} {self.path} is closed")
            yield self._connection


def _build(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    number, time, task, round_number, kind, size_bytes, norm, encoding, digest = row
    stamp = datetime.fromisoformat(time)
    return LedgerEntry(number, stamp, task, round_number, LedgerKind(kind), size_bytes, norm, encoding, digest)


def _digest(before: bytes, fields: tuple[Any, ...]) -> bytes:
    # Safe: JSON writes a float so that it reads back the same, and quotes what could be mistaken for a separator.
    return hashlib.sha256(before + json.dumps(fields).encode()).digest()
