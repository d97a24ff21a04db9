"""`ExampleStore`: one SQLite file that any number of processes may read and add to."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fieldfare.core.errors import ConfigError, DataError, StateError, StorageError
from fieldfare.core.plans import Examples, check_examples
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk import _database
from fieldfare.sdk._database import storage_errors, transaction
from fieldfare.sdk.store import _schema, _tables
from fieldfare.sdk.store._holdout import HoldOut
from fieldfare.sdk.store._limits import StoreLimits, limits_to_bytes, micros, moment
from fieldfare.sdk.store._names import check_collection, check_key
from fieldfare.sdk.store._rows import as_arrays, one_example, pack_rows, row_bytes, unpack_rows
from fieldfare.sdk.store._schema import DEFAULT_COLLECTION, Kind
from fieldfare.sdk.store._source import Selection, StoredExample
from fieldfare.sdk.store._tables import Row

_WHAT = "the example store"
_SALT_BYTES = 16
_PAGE = 256


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ExampleStore:
    """The examples of one device, in one SQLite file with the rights 0600.

    Make one with `ExampleStore.create` or `ExampleStore.open`. Several processes may add while another reads. Methods
    may be called from any thread. What was added is there after a kill of the process; a power cut may cost the last
    additions, never the file.

    Every example is in a collection, a group with a name that can be trained with, counted, exported and deleted
    apart; see `select`. Which examples are held out for evaluation is drawn for each collection by itself.

    Any method raises StorageError where the file is locked by another process for more than 30 s, damaged, or on a
    disk that is full; then nothing has changed, unless it says so.

    Attributes:
        path: the file.
        specs: what one example consists of: shapes without the batch axis.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, kind: Kind, now: Callable[[], datetime]) -> None:
        self.path = path
        self.specs: tuple[TensorSpec, ...] = kind.specs
        self._out = kind.out
        self._now = now
        self._place = _database.Place.of(path)
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.RLock()

    @classmethod
    def create(
        cls,
        path: Path | str,
        specs: Sequence[TensorSpec],
        *,
        held_out_share: float = 0.15,
        limits: StoreLimits | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> Self:
        """Make a store, or open the one that is there.

        Args:
            path: the file; its folder is made where it is absent.
            specs: what one example consists of, such as `manifest.example_specs`; shapes without the batch axis.
            held_out_share: share of the examples that are kept for evaluation, 0 to below 1; a store that is there
                keeps its own.
            limits: see `set_limits`; default: those of the store that is there, or none.
            now: the present, timezone-aware.

        Raises:
            DataError: no specs, or the store that is there has others.
            ConfigError: a share or a limit out of bounds.
            StorageError: the file cannot be made, or is no example store.
        """
        path = Path(path)
        if not specs or len({spec.name for spec in specs}) != len(specs):
            raise DataError("an example needs at least one tensor, and a name of its own for each")
        kind = Kind(tuple(specs), HoldOut.of(held_out_share, os.urandom(_SALT_BYTES)))
        if limits is not None:
            limits.examples_at_most(row_bytes(specs))
        if not path.exists():
            _database.create_database(path, _WHAT, lambda connection: _schema.build(connection, kind))
        store = cls.open(path, now=now)
        try:
            if store.specs != tuple(specs):
                held = _schema.words(store.specs)
                raise DataError(f"{path} holds examples of {held}, not of {_schema.words(specs)}")  # noqa: TRY301
            if limits is not None and limits != store.limits:
                store.set_limits(limits)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path | str, *, now: Callable[[], datetime] = _utc_now) -> Self:
        """Open a store that is there. One of an earlier version of Fieldfare is brought to this one's.

        Raises:
            NotFoundError: no such file.
            StorageError: damaged, or no example store.
        """
        path = Path(path)
        connection = _database.open_database(path, _WHAT, _schema.APPLICATION_ID)
        try:
            with storage_errors(_WHAT, path):
                _schema.migrate(connection, micros(now()))
                return cls(path, connection, _schema.read_kind(connection), now)
        except BaseException as error:
            connection.close()
            if isinstance(error, StorageError) and str(path) not in str(error):
                raise StorageError(f"{_WHAT} {path} cannot be used: {error}") from error
            raise

    @property
    def held_out_share(self) -> float:
        """Share of the examples that are held out."""
        return float(self._out.share)

    @property
    def limits(self) -> StoreLimits:
        """How much the store keeps; the same for every process that has it open."""
        with self._reading() as connection:
            return _schema.read_limits(connection)

    def set_limits(self, limits: StoreLimits) -> None:
        """Keep no more than this from now on, in this and every other process; what is beyond it goes at once.

        Raises:
            ConfigError: not even one example fits.
        """
        with self._writing() as connection:
            limits.examples_at_most(row_bytes(self.specs))
            _schema.write_property(connection, _schema.LIMITS, limits_to_bytes(limits))
            self._keep_to_limits(connection, limits)

    def add(self, example: Mapping[str, Any], *, key: str | None = None, collection: str = DEFAULT_COLLECTION) -> int:
        """Add one example.

        Args:
            example: tensor name to a value without the batch axis: an array of the spec's dtype, or Python numbers
                that fit it.
            key: the application's own name for the example within its collection, at most 256 characters. One that is
                there already is replaced, and its age begins anew; it keeps its id and stays where it was in the
                order, held out or not.
            collection: which one it joins, 1 to 64 characters; made where it is absent.

        Returns:
            The example's id. With a limit on their number the oldest may be gone.

        Raises:
            DataError: wrong names, shapes or dtypes, NaN or infinite values. The message never holds a value.
            ConfigError: a key or a collection's name that cannot be used.
            StorageError: the file cannot be written.
        """
        check_collection(collection)
        check_key(key)
        arrays = one_example(self.specs, example)
        check_examples(self.specs, arrays)
        data = pack_rows(self.specs, arrays, 1)[0].tobytes()
        with self._writing() as connection:
            time = _tables.stamp(connection, micros(self._now()))
            number = None if key is None else _tables.replace(connection, collection, key, time, data)
            if number is None:
                place = _tables.admit(connection, collection, 1)
                number = _tables.insert(
                    connection, [Row(place.number, key, self._out.is_held_out(place.first), data)], time
                )
            self._keep_to_limits(connection, _schema.read_limits(connection))
        return number

    def add_many(self, examples: Examples, *, collection: str = DEFAULT_COLLECTION) -> int:
        """Add examples in one transaction: all of them or none.

        Args:
            examples: tensor name to a `(n, *shape)` array of the spec's dtype.
            collection: which one they join, 1 to 64 characters; made where it is absent.

        Returns:
            How many came in. With a limit on their number the first of them may be gone again.

        Raises:
            DataError: wrong names, shapes or dtypes, NaN or infinite values, no examples. Never holds a value.
            ConfigError: a collection's name that cannot be used.
            StorageError: the file cannot be written.
        """
        check_collection(collection)
        arrays = as_arrays(examples)
        rows = check_examples(self.specs, arrays)
        with self._writing() as connection:
            limits = _schema.read_limits(connection)
            most = limits.examples_at_most(row_bytes(self.specs))
            skipped = 0 if most is None else max(0, rows - most)
            place = _tables.admit(connection, collection, rows)
            matrix = pack_rows(self.specs, {name: array[skipped:] for name, array in arrays.items()}, rows - skipped)
            kept = (
                Row(place.number, None, self._out.is_held_out(place.first + index), row.data)
                for index, row in enumerate(matrix, start=skipped)
            )
            _tables.insert(connection, kept, _tables.stamp(connection, micros(self._now())))
            self._keep_to_limits(connection, limits)
        return rows

    def collections(self) -> dict[str, int]:
        """Name of each collection, and how many examples are in it, those over age included."""
        with self._reading() as connection:
            return _tables.collections(connection)

    def select(self, *collections: str) -> Selection:
        """The examples of these collections only, as a source for a `Device`; they may be absent as yet.

        Raises:
            ConfigError: no name, or one that cannot be used.
        """
        if not collections:
            raise ConfigError("needs the name of a collection", field="collections")
        for name in collections:
            check_collection(name)
        return Selection(self, collections)

    def count(self, held_out: bool | None = None, *, collections: Sequence[str] = ()) -> int:
        """Number of examples: of all, of the held-out ones (True), of those to train on (False).

        Args:
            held_out: which.
            collections: only of these; default: of all.
        """
        with self._current() as connection:
            return _tables.count(connection, self._asked(connection, held_out, collections))

    def training(self, limit: int | None = None, *, collections: Sequence[str] = ()) -> Examples:
        """The newest `limit` (default: all) examples to train on, oldest first.

        Args:
            limit: how many at most; 0 or more.
            collections: only of these; default: of all.

        Returns:
            Tensor name to a `(n, *shape)` array; `n` may be 0.

        Raises:
            ConfigError: a limit below 0.
            StorageError: the file is damaged.
        """
        if limit is not None and limit < 0:
            raise ConfigError("must be 0 or more", field="limit")
        return self._examples(False, limit, collections)

    def held_out(self, *, collections: Sequence[str] = ()) -> Examples:
        """The examples that are kept for evaluation, oldest first; like `training`."""
        return self._examples(True, None, collections)

    def stored(self, *, collections: Sequence[str] = ()) -> Iterator[StoredExample]:
        """Everything the file holds, oldest first, with what the store knows of it: for the person whose data it is.

        What is over age and not yet gone is among it. Examples that come or go meanwhile may be missing.

        Args:
            collections: only of these; default: of all.

        Raises:
            StorageError: the file is damaged.
        """
        after = 0
        while True:
            with self._reading() as connection:
                page = _tables.page(connection, after, _PAGE, tuple(collections))
            tensors = unpack_rows(self.specs, self._checked([row[5] for row in page]))
            for index, (number, collection, key, held_out, added, _) in enumerate(page):
                one = {name: array[index] for name, array in tensors.items()}
                yield StoredExample(number, collection, key, moment(added), bool(held_out), one)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def delete(
        self,
        example_id: int | None = None,
        *,
        key: str | None = None,
        collection: str | None = None,
        everything: bool = False,
    ) -> int:
        """Delete one example by its id, the one of a key, a whole collection, or all there is; then `sweep`.

        Args:
            example_id: of one example.
            key: of one example; in every collection that has it, or in `collection` only.
            collection: with a key, where to look for it; without, all of it and its name.
            everything: all examples, keys and collections. The limits and the held-out share stay.

        Returns:
            How many were deleted.

        Raises:
            ConfigError: not exactly one example, collection or everything was asked for.
            StorageError: the file cannot be written; or they are deleted, but their bytes are not overwritten yet: it
                says which, and the next call of `delete` or `sweep` overwrites them.
        """
        if (example_id is not None) + (key is not None or collection is not None) + everything != 1:
            raise ConfigError("delete takes one of example_id, key or collection, and everything=True")
        with self._writing() as connection:
            deleted = _tables.delete(connection, example_id, key, collection)
            if deleted or collection is not None or everything:
                _schema.note_unswept(connection)
        self.sweep()
        return deleted

    def sweep(self) -> None:
        """Overwrite what the file and its log still hold of examples that were deleted, replaced or dropped by a limit.

        `delete` does it by itself. It writes the file anew, which takes as much free disk and memory as the file has;
        nothing is done where nothing is gone.

        Raises:
            StorageError: it cannot be done now, since another process reads the store or the disk is full.
        """
        with self._reading() as connection:
            problem = _tables.sweep(connection)
        if problem:
            raise StorageError(
                f"what was deleted from {self.path} can be read no more, but its bytes are not overwritten yet: "
                f"{problem}; call delete or sweep again later"
            )

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
        with self._reading() as connection:
            self._place.check(_WHAT)
            with transaction(connection):
                yield connection

    @contextmanager
    def _current(self) -> Iterator[sqlite3.Connection]:
        """For reading, once what age has made due is dropped: a device may train for months and add nothing."""
        with self._reading() as connection:
            limits = _schema.read_limits(connection)
            if limits.max_age is not None and _tables.is_look_due(connection, micros(self._now())):
                with transaction(connection):
                    self._keep_to_limits(connection, limits)
            yield connection

    def _keep_to_limits(self, connection: sqlite3.Connection, limits: StoreLimits) -> None:
        """Within a transaction: drop the oldest examples."""
        most = limits.examples_at_most(row_bytes(self.specs))
        gone = 0 if most is None else _tables.drop_beyond(connection, most)
        if limits.max_age is not None:
            gone += _tables.drop_over_age(connection, limits, micros(self._now()))
        if gone:
            _schema.note_unswept(connection)

    def _asked(self, connection: sqlite3.Connection, held_out: bool | None, names: Sequence[str]) -> _tables.Asked:
        oldest = _schema.read_limits(connection).oldest(micros(self._now()))
        return _tables.Asked(held_out, oldest, tuple(names))

    def _examples(self, held_out: bool, limit: int | None, names: Sequence[str]) -> Examples:
        with self._current() as connection:
            rows = _tables.newest(connection, self._asked(connection, held_out, names), limit)
        return unpack_rows(self.specs, self._checked(rows))

    def _checked(self, rows: list[bytes]) -> list[bytes]:
        if any(len(row) != row_bytes(self.specs) for row in rows):
            raise StorageError(f"{_WHAT} {self.path} is damaged: an example has a wrong length")
        return rows
