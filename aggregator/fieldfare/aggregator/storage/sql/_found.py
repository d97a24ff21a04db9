"""What a data base holds, seen from outside before a start."""

from dataclasses import dataclass

from sqlalchemy import Connection, inspect, select

from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql.migrations import present


@dataclass(frozen=True, slots=True)
class Found:
    """A data base of any version.

    Attributes:
        revision: its schema, such as "0003"; None where it is not there or empty.
        any_credential: whether a credential of an administrator was ever made, be it revoked.
    """

    revision: str | None = None
    any_credential: bool = False


def look(connection: Connection) -> Found:
    """Look without changing anything.

    Raises:
        StorageError: it was made by a newer version, or is none of ours.
    """
    revision = present(connection)
    if not inspect(connection).has_table(t.credentials.name):
        return Found(revision)
    return Found(revision, connection.execute(select(t.credentials.c.name).limit(1)).first() is not None)
