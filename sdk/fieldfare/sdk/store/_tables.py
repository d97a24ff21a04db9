"""The statements that the store runs on its tables; each function is called with the connection in the right state."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fieldfare.sdk._database import BUSY_TIMEOUT_MS
from fieldfare.sdk.store import _schema
from fieldfare.sdk.store._limits import StoreLimits, look

_READER_WAIT_MS = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """An example on its way in.

    Attributes:
        collection: the collection's number.
        key: the application's name for it.
        held_out: for evaluation.
        data: its tensors.
    """

    collection: int
    key: str | None
    held_out: bool
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Place:
    """Where examples join a collection: its number, and how many came before them."""

    number: int
    first: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which examples are asked for.

    Attributes:
        held_out: those for evaluation, those to train on, or both.
        oldest: microseconds since 1970; what is older is kept back.
        collections: their names; all of them where there are none.
    """

    held_out: bool | None
    oldest: int
    collections: tuple[str, ...]

    def where(self) -> tuple[str, list[Any]]:
        """The condition and its values."""
        # Safe: a "+" keeps SQLite from taking the index, and only names of columns and "?" are put together.
        condition, values = "+added >= ?", [self.oldest]
        if self.held_out is not None:
            condition, values = f"{condition} AND held_out = ?", [*values, int(self.held_out)]
        among, names = _among(self.collections)
        return condition + among, [*values, *names]


def admit(connection: sqlite3.Connection, collection: str, rows: int) -> Place:
    """Note that so many examples come into a collection, which is made where it is absent."""
    statement = """
        INSERT INTO collections (name, came) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET came = came + excluded.came
    """
    connection.execute(statement, (collection, rows))
    number, came = connection.execute("SELECT id, came FROM collections WHERE name = ?", (collection,)).fetchone()
    return Place(number, came - rows)


def insert(connection: sqlite3.Connection, rows: Iterable[Row], time: int) -> int:
    """Add rows. Returns the last one's id."""
    values = ((row.collection, row.key, row.held_out, time, row.data) for row in rows)
    connection.executemany(
        "INSERT INTO examples (collection, key, held_out, added, data) VALUES (?, ?, ?, ?, ?)", values
    )
    return int(connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'examples'").fetchone()[0])


def replace(connection: sqlite3.Connection, collection: str, key: str, time: int, data: bytes) -> int | None:
    """Give the example of a key other content. Returns its id, or None where there is none."""
    query = "SELECT id FROM examples WHERE collection = (SELECT id FROM collections WHERE name = ?) AND key = ?"
    found = connection.execute(query, (collection, key)).fetchone()
    if found is None:
        return None
    connection.execute("UPDATE examples SET data = ?, added = ? WHERE id = ?", (data, time, found[0]))
    _schema.note_unswept(connection)
    return int(found[0])


def stamp(connection: sqlite3.Connection, now: int) -> int:
    """The time that an example gets: no earlier than the last one's, since a clock may have gone back."""
    newest = connection.execute("SELECT max(added) FROM examples").fetchone()[0]
    return now if newest is None else max(now, int(newest))


def collections(connection: sqlite3.Connection) -> dict[str, int]:
    """Name to number of examples."""
    query = """
        SELECT name, count(examples.id) FROM collections LEFT JOIN examples ON collection = collections.id
        GROUP BY collections.id ORDER BY collections.id
    """
    return dict(connection.execute(query))


def count(connection: sqlite3.Connection, asked: Asked) -> int:
    """How many there are."""
    where, values = asked.where()
    return int(connection.execute(f"SELECT count(*) FROM examples WHERE {where}", values).fetchone()[0])  # noqa: S608


def newest(connection: sqlite3.Connection, asked: Asked, limit: int | None) -> list[bytes]:
    """The data of the newest ones, oldest first."""
    where, values = asked.where()
    query = f"SELECT data FROM examples WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    rows = [row[0] for row in connection.execute(query, [*values, -1 if limit is None else limit])]
    rows.reverse()
    return rows


def page(connection: sqlite3.Connection, after: int, rows: int, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Id, collection, key, held out, time and data of the next examples after an id."""
    among, values = _among(names)
    query = f"""
        SELECT examples.id, name, key, held_out, added, data FROM examples
        JOIN collections ON collections.id = collection
        WHERE examples.id > ?{among} ORDER BY examples.id LIMIT ?
    """  # noqa: S608
    return connection.execute(query, [after, *values, rows]).fetchall()


def delete(connection: sqlite3.Connection, example_id: int | None, key: str | None, collection: str | None) -> int:
    """Delete one by id, one by key, a collection, or without any of them everything. Returns how many."""
    if example_id is not None:
        return connection.execute("DELETE FROM examples WHERE id = ?", (example_id,)).rowcount
    names = () if collection is None else (collection,)
    among, values = _among(names)
    if key is not None:
        return connection.execute(f"DELETE FROM examples WHERE key = ?{among}", [key, *values]).rowcount  # noqa: S608
    deleted = connection.execute(f"DELETE FROM examples WHERE true{among}", values).rowcount  # noqa: S608
    if collection is None:
        connection.execute("DELETE FROM collections")
    else:
        connection.execute("DELETE FROM collections WHERE name = ?", (collection,))
    return deleted


def drop_beyond(connection: sqlite3.Connection, most: int) -> int:
    """Drop the oldest examples beyond a number. Returns how many."""
    held = int(connection.execute("SELECT count(*) FROM examples").fetchone()[0])
    if held <= most:
        return 0
    query = "DELETE FROM examples WHERE id IN (SELECT id FROM examples ORDER BY id LIMIT ?)"
    return connection.execute(query, (held - most,)).rowcount


def is_look_due(connection: sqlite3.Connection, now: int) -> bool:
    """Whether a look at the clock would have something to write."""
    mark = _mark(connection)
    return look(mark, now).mark != mark


def drop_over_age(connection: sqlite3.Connection, limits: StoreLimits, now: int) -> int:
    """Look at the clock, and drop what was over age at the look that has settled. Returns how many."""
    mark = _mark(connection)
    seen = look(mark, now)
    if seen.mark == mark:
        return 0
    _schema.write_property(connection, _schema.MARK, str(seen.mark).encode())
    if seen.settled is None:
        return 0
    # What a clock that was ahead has stamped would never come of age.
    connection.execute("UPDATE examples SET added = ? WHERE added > ?", (now, now))
    return connection.execute("DELETE FROM examples WHERE added < ?", (limits.oldest(seen.settled),)).rowcount


def sweep(connection: sqlite3.Connection) -> str:
    """Outside a transaction: write the file anew and empty its log. Returns what was in the way, or "".

    `secure_delete` alone is not enough: SQLite moves rows between pages when it balances its trees, and leaves copies
    in the pages' unused space, which only a file that is written anew is free of.
    """
    noted = _schema.read_property(connection, _schema.UNSWEPT)
    if noted is None:
        return ""
    # In memory: a temporary file would be one more place that holds examples.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA busy_timeout = {_READER_WAIT_MS}")
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        connection.execute("VACUUM")
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            return "another process reads the store"
        # Another process may have deleted more meanwhile, and noted so.
        connection.execute("DELETE FROM properties WHERE name = ? AND value = ?", (_schema.UNSWEPT, noted))
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return ""


def _mark(connection: sqlite3.Connection) -> int | None:
    found = _schema.read_property(connection, _schema.MARK)
    return None if found is None else int(found)


def _among(names: tuple[str, ...]) -> tuple[str, list[Any]]:
    if not names:
        return "", []
    places = ", ".join("?" * len(names))
    return f" AND +collection IN (SELECT id FROM collections WHERE name IN ({places}))", list(names)  # noqa: S608
