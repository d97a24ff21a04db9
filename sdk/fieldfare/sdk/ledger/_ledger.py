"""`Ledger`: append-only rows, each sealed with the hash of all rows before it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from fieldfare.core.errors import ConfigError, StateError, StorageError
from fieldfare.sdk import _database
from fieldfare.sdk._database import storage_errors, transaction
from fieldfare.sdk.ledger import _chain, _query, _schema
from fieldfare.sdk.ledger._entries import FoldedEntries, LedgerEntry, LedgerKind, Total
from fieldfare.sdk.ledger._query import LedgerQuery, LedgerSummary

_WHAT = "the ledger"
_KEEP_ROWS = 10_000
_EVERYTHING = LedgerQuery()


class Ledger:
    """One SQLite file with the rights 0600; see `Ledger.open`. Methods may be called from any thread.

    A row cannot be changed or removed without `verify` noticing, short of computing every later digest anew: the
    ledger protects its reader against mistakes and partial edits, not against who controls the device.

    Rows of updates, metrics, withdrawals and enrolments stay for ever. Of the others (check-ins, fetches, tokens,
    questions for receipts) the newest 10,000 stay as they are; a fifth more, and the oldest become summaries, one for
    neighbours of the same month, see `FoldedEntries`. The chain goes through them, and a row of the kind SEAL covers
    what they say. So a device that asks for work day and night has a ledger below 3 MB.

    Any method raises StorageError where the file is locked, damaged, or on a disk that is full.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, keep_rows: int) -> None:
        self.path = path
        self._keep_rows = keep_rows
        self._place = _database.Place.of(path)
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True, keep_rows: int = _KEEP_ROWS) -> Self:
        """Open the ledger, or make an empty one. One of an earlier version is brought to this one's tables.

        Args:
            path: the file.
            create: make it where it is absent.
            keep_rows: how many rows of the kinds that become summaries stay as they are, at least 1.

        Raises:
            ConfigError: `keep_rows` below 1.
            NotFoundError: it is not there and `create` is False.
            StorageError: damaged, or no ledger.
        """
        if keep_rows < 1:
            raise ConfigError("must be at least 1", field="keep_rows")
        path = Path(path)
        if create and not path.exists():
            _database.create_database(path, _WHAT, _schema.build)
        connection = _database.open_database(path, _WHAT, _schema.APPLICATION_ID, durable=True)
        try:
            with storage_errors(_WHAT, path):
                _schema.migrate(connection)
        except StorageError as error:
            connection.close()
            raise StorageError(f"{_WHAT} {path} cannot be used: {error}") from error
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, keep_rows)

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
        privacy: str = "",
    ) -> None:
        """Append a row; it is on the disk when this returns. See `LedgerEntry` for what each is.

        Raises:
            StorageError: it cannot be written, or the file was removed. Then the message MUST NOT leave.
        """
        stamp = time.astimezone(UTC)
        with self._using() as connection, transaction(connection):
            self._place.check(_WHAT)
            if _chain.foldable(connection) > self._keep_rows + self._keep_rows // 5:
                _chain.fold(connection, self._keep_rows, stamp)
            fields = (stamp.isoformat(), task, round_number, kind.value, size_bytes, update_norm, encoding, privacy)
            _chain.append(connection, fields)

    def __iter__(self) -> Iterator[LedgerEntry]:
        """The rows that stand as they were written, oldest first. `history` has the summaries too.

        Raises:
            StorageError: a row that cannot be read.
        """
        return self._rows(_EVERYTHING)

    def __len__(self) -> int:
        """Number of messages, those in summaries included."""
        return self.summary().messages

    def history(self, query: LedgerQuery = _EVERYTHING) -> Iterator[LedgerEntry | FoldedEntries]:
        """Rows and summaries that are asked for, oldest first.

        Raises:
            StorageError: a row that cannot be read.
        """
        with self._using() as connection:
            folds = [one for one in _query.folds(connection) if query.of_fold(one)]
        return _query.in_order(self._rows(query), folds)

    def page(
        self, query: LedgerQuery = _EVERYTHING, *, before: int | None = None, limit: int = 50
    ) -> list[LedgerEntry | FoldedEntries]:
        """The newest rows and summaries that are asked for, newest first: one page of an app's privacy screen.

        Args:
            query: which.
            before: goes on after the last page: the `number` (or `first`) of its last one.
            limit: how many at most; at least 1.

        Raises:
            ConfigError: a limit below 1.
            StorageError: a row that cannot be read.
        """
        if limit < 1:
            raise ConfigError("must be at least 1", field="limit")
        with self._using() as connection:
            return _query.newest(connection, query, before, limit)

    def summary(self, query: LedgerQuery = _EVERYTHING) -> LedgerSummary:
        """Messages and bytes by kind and by task, the first time and the last."""
        with self._using() as connection:
            return _query.summarize(connection, query)

    def totals(self) -> dict[LedgerKind, Total]:
        """Messages and bytes of each kind that occurs."""
        return self.summary().by_kind

    def total_bytes(self) -> int:
        """Bytes of all messages."""
        return self.summary().size_bytes

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
            missing. Of a summary that was changed, or of the oldest one where it cannot be told which, it is the
            number of its first row.
        """
        with self._using() as connection:
            # One transaction: another process may put rows together meanwhile.
            connection.execute("BEGIN")
            try:
                return _chain.first_broken(connection)
            finally:
                connection.execute("ROLLBACK")

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

    def _rows(self, query: LedgerQuery) -> Iterator[LedgerEntry]:
        after = 0
        while True:
            with self._using() as connection:
                page = _query.oldest(connection, query, after)
            yield from page
            if not page:
                return
            after = page[-1].number

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, storage_errors(_WHAT, self.path):
            if self._connection is None:
                raise StateError(f"{_WHAT} {self.path} is closed")
            yield self._connection
