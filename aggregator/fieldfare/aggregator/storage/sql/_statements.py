"""Statements that more than one module needs."""

from typing import Any

from sqlalchemy import Connection, Table, delete
from sqlalchemy.dialects import postgresql, sqlite

from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.core.rounds import RoundState

OPEN_ROUND = (RoundState.SELECTING.value, RoundState.COLLECTING.value)


def insert_new(connection: Connection, table: Table) -> Any:
    """An insert that knows `on_conflict_do_nothing`, which SQLAlchemy has in the dialects only."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def uncount(connection: Connection, task_id: str, number: int) -> None:
    """The round came to nothing: no device may be told that it counts."""
    connection.execute(delete(t.counted).where(t.counted.c.task_id == task_id, t.counted.c.counted_in == number))
