"""Rows in SQLite or PostgreSQL: tables, migrations, queries."""

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._postgresql import open_postgresql, postgresql_revision
from fieldfare.aggregator.storage.sql._security import SqlSecurityStore
from fieldfare.aggregator.storage.sql._sqlite import open_sqlite, sqlite_revision

__all__ = [
    "SqlDatabase",
    "SqlSecurityStore",
    "open_postgresql",
    "open_sqlite",
    "postgresql_revision",
    "sqlite_revision",
]
