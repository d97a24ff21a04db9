"""Rows in SQLite or PostgreSQL: tables, migrations, queries."""

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._found import Found
from fieldfare.aggregator.storage.sql._postgresql import look_at_postgresql, open_postgresql
from fieldfare.aggregator.storage.sql._security import SqlSecurityStore
from fieldfare.aggregator.storage.sql._sqlite import look_at_sqlite, open_sqlite

__all__ = [
    "Found",
    "SqlDatabase",
    "SqlSecurityStore",
    "look_at_postgresql",
    "look_at_sqlite",
    "open_postgresql",
    "open_sqlite",
]
