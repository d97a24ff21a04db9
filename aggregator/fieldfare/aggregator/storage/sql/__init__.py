"""Rows in SQLite or PostgreSQL: tables, migrations, queries."""

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._postgresql import open_postgresql
from fieldfare.aggregator.storage.sql._security import SqlSecurityStore
from fieldfare.aggregator.storage.sql._sqlite import open_sqlite

__all__ = ["SqlDatabase", "SqlSecurityStore", "open_postgresql", "open_sqlite"]
