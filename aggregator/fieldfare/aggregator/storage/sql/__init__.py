"""Rows in SQLite: tables, migrations, queries."""

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._sqlite import open_sqlite

__all__ = ["SqlDatabase", "open_sqlite"]
