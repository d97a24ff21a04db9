"""The way from the schema of any earlier version to the present one, by Alembic.

Each file in `versions/` is one revision: its number follows the one before, and it never changes once released. The
tables in `storage/sql/_tables.py` are what all of them together make; a test compares the two. `alembic_version` says
which revision a data base has; `facts` repeats it as `format_version`, which is what versions before Alembic look at.

A new revision: copy the newest file, give it the next number, and change `_tables.py` alike.
"""

from fieldfare.aggregator.storage.sql.migrations._upgrade import head, migrate, present

__all__ = ["head", "migrate", "present"]
