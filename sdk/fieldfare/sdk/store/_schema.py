"""The store's tables, their first rows, and how a file of an earlier version becomes one of this."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from google.protobuf.message import DecodeError

from fieldfare.core.errors import ConfigError, StorageError, WeightsError
from fieldfare.core.weights import TensorSpec, specs_from_proto, specs_to_proto
from fieldfare.protos.v1 import tensors_pb2
from fieldfare.sdk import _database
from fieldfare.sdk.store._holdout import HoldOut
from fieldfare.sdk.store._limits import StoreLimits, limits_from_bytes

APPLICATION_ID = 0x46464558  # "FFEX"
VERSION = 1
DEFAULT_COLLECTION = "default"
LIMITS, MARK, UNSWEPT = "limits", "clock_mark", "unswept"
_PROPERTIES = "CREATE TABLE properties (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_TABLES = (
    # `came` counts what ever came into the collection: it decides which examples are held out.
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, came INTEGER NOT NULL)",
    """
    CREATE TABLE examples (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        collection INTEGER NOT NULL,
        key TEXT,
        held_out INTEGER NOT NULL,
        added INTEGER NOT NULL,
        data BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX examples_by_key ON examples (collection, key) WHERE key IS NOT NULL",
    "CREATE INDEX examples_by_use ON examples (held_out)",
    "CREATE INDEX examples_by_age ON examples (added)",
)
_FROM_0 = (
    "DROP INDEX examples_by_use",
    "ALTER TABLE examples RENAME TO examples_of_0",
    *_TABLES,
    f"""
    INSERT INTO collections (id, name, came)
    SELECT 1, '{DEFAULT_COLLECTION}', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'examples_of_0'), 0)
    """,  # noqa: S608 - a constant
    """
    INSERT INTO examples (id, collection, key, held_out, added, data)
    SELECT id, 1, key, held_out, :now, data FROM examples_of_0
    """,
    "DELETE FROM sqlite_sequence WHERE name = 'examples'",
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'examples', came FROM collections WHERE id = 1",
    "DROP TABLE examples_of_0",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What never changes about a store.

    Attributes:
        specs: of one example.
        out: which examples are held out.
    """

    specs: tuple[TensorSpec, ...]
    out: HoldOut


def build(connection: sqlite3.Connection, kind: Kind) -> None:
    """Within a transaction: make the tables of an empty store."""
    for statement in (_PROPERTIES, *_TABLES):
        connection.execute(statement)
    header = tensors_pb2.WeightsHeader(tensors=specs_to_proto(kind.specs)).SerializeToString(deterministic=True)
    properties = {"specs": header, "salt": kind.out.salt, "held_out_share": str(kind.out.share).encode()}
    connection.executemany("INSERT INTO properties VALUES (?, ?)", properties.items())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def migrate(connection: sqlite3.Connection, now: int) -> None:
    """Bring a file of an earlier version to this one, in one transaction; examples without a time get `now`.

    Raises:
        StorageError: the file is of a later version.
    """
    _database.migrate(connection, VERSION, _FROM_0, {"now": now})


def read_kind(connection: sqlite3.Connection) -> Kind:
    """What the store is of.

    Raises:
        StorageError: damaged.
    """
    found: Mapping[str, bytes] = dict(connection.execute("SELECT name, value FROM properties"))
    try:
        specs = specs_from_proto(tensors_pb2.WeightsHeader.FromString(found["specs"]).tensors)
        return Kind(tuple(specs), HoldOut(Fraction(found["held_out_share"].decode()), found["salt"]))
    except (KeyError, ValueError, WeightsError, DecodeError) as error:
        raise StorageError("what it says of itself cannot be read: it is damaged") from error


def read_limits(connection: sqlite3.Connection) -> StoreLimits:
    """How much the store keeps.

    Raises:
        StorageError: damaged.
    """
    content = read_property(connection, LIMITS)
    try:
        return StoreLimits() if content is None else limits_from_bytes(content)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise StorageError("its limits cannot be read: it is damaged") from error


def read_property(connection: sqlite3.Connection, name: str) -> bytes | None:
    """A property, or None."""
    found = connection.execute("SELECT value FROM properties WHERE name = ?", (name,)).fetchone()
    return None if found is None else found[0]


def write_property(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    """Within a transaction: set a property."""
    connection.execute("INSERT OR REPLACE INTO properties VALUES (?, ?)", (name, value))


def note_unswept(connection: sqlite3.Connection) -> None:
    """Within a transaction: note that the file may hold bytes of what is gone. Each note is unlike the ones before."""
    connection.execute("INSERT OR REPLACE INTO properties VALUES (?, randomblob(8))", (UNSWEPT,))


def words(specs: Sequence[TensorSpec]) -> str:
    """Specs in a message."""
    return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs)
