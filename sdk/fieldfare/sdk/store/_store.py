"""`ExampleStore`: one SQLite file that any number of processes may read and add to."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import DecodeError

from fieldfare.core.errors import ConfigError, DataError, StateError, StorageError, WeightsError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec, specs_from_proto, specs_to_proto
from fieldfare.protos.v1 import tensors_pb2
from fieldfare.sdk._database import BUSY_TIMEOUT_MS, create_database, open_database, storage_errors, transaction
from fieldfare.sdk.store._holdout import HoldOut
from fieldfare.sdk.store._rows import one_example, pack_rows, row_bytes, unpack_rows

_READER_WAIT_MS = 2000
_APPLICATION_ID = 0x46464558  # "FFEX"
_WHAT = "the example store"
_SALT_BYTES = 16
_SCHEMA = """
CREATE TABLE properties (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT UNIQUE,
    held_out INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX examples_by_use ON examples (held_out, id);
"""


class ExampleStore:
    """The examples of one device, in one SQLite file with the rights 0600.

    Make one with `ExampleStore.create` or `ExampleStore.open`. Several processes may add while another reads. Methods
    may be called from any thread. What was added is there after a kill of the process; a power cut may cost the last
    additions, never the file.

    Attributes:
        path: the file.
        specs: what one example consists of: shapes without the batch axis.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, specs: Sequence[TensorSpec], out: HoldOut) -> None:
        self.path = path
        self.specs: tuple[TensorSpec, ...] = tuple(specs)
        self._out = out
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.RLock()

    @classmethod
    def create(cls, path: Path | str, specs: Sequence[TensorSpec], *, held_out_share: float = 0.15) -> Self:
        """Make a store, or open the one that is there.

        Args:
            path: the file; its folder is made where it is absent.
            specs: what one example consists of, such as `manifest.example_specs`; shapes without the batch axis.
            held_out_share: share of the examples that are kept for evaluation, 0 to below 1; a store that is there
                keeps its own.

        Raises:
            DataError: no specs, or the store that is there has others.
            ConfigError: a share out of bounds.
            StorageError: the file cannot be made, or is no example store.
        """
        path = Path(path)
        if not specs or len({spec.name for spec in specs}) != len(specs):
            raise DataError("an example needs at least one tensor, and a name of its own for each")
        out = HoldOut.of(held_out_share, os.urandom(_SALT_BYTES))
        if not path.exists():
            create_database(path, _WHAT, lambda connection: _build(connection, specs, out))
        store = cls.open(path)
        if store.specs != tuple(specs):
            store.close()
            raise DataError(f"{path} holds examples of {_words(store.specs)}, not of {_words(specs)}")
        return store

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a store that is there.

        Raises:
            NotFoundError: no such file.
            StorageError: damaged, or no example store.
        """
        path = Path(path)
        connection = open_database(path, _WHAT, _APPLICATION_ID)
        try:
            with storage_errors(_WHAT, path):
                found = dict(connection.execute("SELECT name, value FROM properties"))
            specs = specs_from_proto(tensors_pb2.WeightsHeader.FromString(found["specs"]).tensors)
            out = HoldOut(Fraction(found["held_out_share"].decode()), found["salt"])
        except (KeyError, ValueError, WeightsError, DecodeError, ConfigError) as error:
            connection.close()
            raise StorageError(f"{_WHAT} {path} is damaged, or of a newer version") from error
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, specs, out)

    @property
    def held_out_share(self) -> float:
        """Share of the examples that are held out."""
        return float(self._out.share)

    def add(self, example: Mapping[str, Any], *, key: str | None = None) -> int:
        """Add one example.

        Args:
            example: tensor name to a value without the batch axis: an array of the spec's dtype, or Python numbers
                that fit it.
            key: the application's own name for the example. One that is there already is replaced; it keeps its id
                and stays where it was, held out or not.

        Returns:
            The example's id.

        Raises:
            DataError: wrong names, shapes or dtypes, NaN or infinite values. The message never holds a value.
            StorageError: the file cannot be written.
        """
        arrays = one_example(self.specs, example)
        check_examples(self.specs, arrays)
        data = pack_rows(self.specs, arrays, 1)[0].tobytes()
        with self._writing() as connection:
            if key is not None:
                found = connection.execute("SELECT id FROM examples WHERE key = ?", (key,)).fetchone()
                if found is not None:
                    connection.execute("UPDATE examples SET data = ? WHERE id = ?", (data, found[0]))
                    return int(found[0])
            return self._insert(connection, [(key, data)])

    def add_many(self, examples: Examples) -> int:
        """Add examples in one transaction: all of them or none.

        Args:
            examples: tensor name to a `(n, *shape)` array of the spec's dtype.

        Returns:
            How many were added.

        Raises:
            DataError: wrong names, shapes or dtypes, NaN or infinite values, no examples. Never holds a value.
            StorageError: the file cannot be written.
        """
        rows = check_examples(self.specs, examples)
        matrix = pack_rows(self.specs, examples, rows)
        with self._writing() as connection:
            self._insert(connection, ((None, row.data) for row in matrix))
        return rows

    def count(self, held_out: bool | None = None) -> int:
        """Number of examples: of all, of the held-out ones (True), of those to train on (False)."""
        where = "" if held_out is None else f" WHERE held_out = {int(held_out)}"
        with self._reading() as connection:
            return int(connection.execute(f"SELECT count(*) FROM examples{where}").fetchone()[0])  # noqa: S608

    def training(self, limit: int | None = None) -> Examples:
        """The newest `limit` (default: all) examples to train on, oldest first.

        Returns:
            Tensor name to a `(n, *shape)` array; `n` may be 0.

        Raises:
            StorageError: the file is damaged.
        """
        return self._select(held_out=False, limit=limit)

    def held_out(self) -> Examples:
        """The examples that are kept for evaluation, oldest first; like `training`."""
        return self._select(held_out=True, limit=None)

    def delete(self, example_id: int | None = None, *, key: str | None = None, everything: bool = False) -> int:
        """Delete one example by its id or key, or all of them. Their bytes are overwritten in the file.

        Returns:
            How many were deleted.

        Raises:
            ConfigError: not exactly one of the three was given.
            StorageError: they are deleted, but another process reads the store, so that their bytes are still in its
                log; the next call of `delete` overwrites them.
        """
        if (example_id is not None) + (key is not None) + everything != 1:
            raise ConfigError("delete takes one of example_id, key and everything=True")
        with self._writing() as connection:
            if everything:
                deleted = connection.execute("DELETE FROM examples").rowcount
            else:
                deleted = connection.execute("DELETE FROM examples WHERE id = ? OR key = ?", (example_id, key)).rowcount
        with self._reading() as connection:
            # The write-ahead log still holds pages with the deleted values: empty it. A reader elsewhere is waited for.
            connection.execute(f"PRAGMA busy_timeout = {_READER_WAIT_MS}")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if busy:
            raise StorageError(
                f"{deleted} examples of {self.path} are deleted, but their bytes are not overwritten yet, since "
                "another process reads the store: call delete again when it is done"
            )
        return deleted

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

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, storage_errors(_WHAT, self.path):
            if self._connection is None:
                raise StateError(f"{_WHAT} {self.path} is closed")
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, transaction(connection):
            yield connection

    def _insert(self, connection: sqlite3.Connection, rows: Iterable[tuple[str | None, bytes | memoryview]]) -> int:
        """Within a transaction: number the rows on from the last id ever given. Returns the last id."""
        found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'examples'").fetchone()
        last = int(found[0]) if found else 0
        numbered = enumerate(rows, start=last + 1)
        values = ((number, key, self._out.is_held_out(number - 1), data) for number, (key, data) in numbered)
        connection.executemany("INSERT INTO examples (id, key, held_out, data) VALUES (?, ?, ?, ?)", values)
        return int(connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'examples'").fetchone()[0])

    def _select(self, *, held_out: bool, limit: int | None) -> Examples:
        query = "SELECT data FROM examples WHERE held_out = ? ORDER BY id DESC LIMIT ?"
        with self._reading() as connection:
            rows = [row[0] for row in connection.execute(query, (held_out, -1 if limit is None else limit))]
        rows.reverse()
        if any(len(row) != row_bytes(self.specs) for row in rows):
            raise StorageError(f"{_WHAT} {self.path} is damaged: an example has a wrong length")
        return unpack_rows(self.specs, rows)


def _build(connection: sqlite3.Connection, specs: Sequence[TensorSpec], out: HoldOut) -> None:
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    header = tensors_pb2.WeightsHeader(tensors=specs_to_proto(specs)).SerializeToString(deterministic=True)
    properties = {"specs": header, "salt": out.salt, "held_out_share": str(out.share).encode()}
    connection.executemany("INSERT INTO properties VALUES (?, ?)", properties.items())
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


def _words(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs)
