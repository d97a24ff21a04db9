"""The ledger's tables, and how a file of an earlier version becomes one of this."""

import sqlite3

from fieldfare.sdk import _database
from fieldfare.sdk.ledger._entries import FOLDABLE

APPLICATION_ID = 0x46464C47  # "FFLG"
VERSION = 1
COLUMNS = "number, time, task, round, kind, bytes, norm, encoding, privacy, digest"
FOLD_COLUMNS = "first, last, since, until, totals, before, digest"
FOLDABLE_KINDS = ", ".join(f"'{kind.value}'" for kind in FOLDABLE)
_ENTRIES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    task TEXT NOT NULL,
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    norm REAL,
    encoding TEXT NOT NULL,
    digest BLOB NOT NULL,
    privacy TEXT
)
"""
_NO_UPDATE = (
    "CREATE TRIGGER no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
)
_FOLDING = (
    """
    CREATE TABLE folds (
        last INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        since TEXT NOT NULL,
        until TEXT NOT NULL,
        totals TEXT NOT NULL,
        before BLOB NOT NULL,
        digest BLOB NOT NULL
    )
    """,
    f"CREATE INDEX foldable ON entries (number) WHERE kind IN ({FOLDABLE_KINDS})",
    # A row goes only once a summary stands for it, a summary only once a longer one does.
    """
    CREATE TRIGGER no_delete BEFORE DELETE ON entries
    WHEN NOT EXISTS (SELECT 1 FROM folds WHERE old.number BETWEEN first AND last)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    "CREATE TRIGGER no_fold_update BEFORE UPDATE ON folds BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    """
    CREATE TRIGGER no_fold_delete BEFORE DELETE ON folds
    WHEN NOT EXISTS (SELECT 1 FROM folds WHERE first <= old.first AND last > old.last)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
)
_FROM_0 = ("ALTER TABLE entries ADD COLUMN privacy TEXT", "DROP TRIGGER no_delete", *_FOLDING)


def build(connection: sqlite3.Connection) -> None:
    """Within a transaction: make the tables of an empty ledger."""
    for statement in (_ENTRIES, _NO_UPDATE, *_FOLDING):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of an earlier version to this one, in one transaction; its rows stay as they are.

    Raises:
        StorageError: the file is of a later version.
    """
    _database.migrate(connection, VERSION, _FROM_0)
