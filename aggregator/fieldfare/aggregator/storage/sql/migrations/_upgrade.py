"""Bring a data base to the newest revision, in one transaction of the caller's."""

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from fieldfare.core.errors import StorageError

_FIRST = "0001"


def head() -> str:
    """The newest revision, such as "0001"."""
    found = _script().get_current_head()
    if found is None:  # pragma: no cover - the package lacks its files
        raise StorageError("the installed Fieldfare has no schema: install it again")
    return found


def present(connection: Connection) -> str | None:
    """The data base's revision; None where it is empty.

    Raises:
        StorageError: it was made by a newer version, or is none of ours.
    """
    tables = set(inspect(connection).get_table_names())
    if "facts" not in tables:
        return None
    if "alembic_version" in tables:
        found = MigrationContext.configure(connection).get_current_revision() or ""
    else:
        # Made before there were migrations: its schema is that of the first revision.
        value = connection.execute(text("select value from facts where name = 'format_version'")).scalar()
        found = bytes(value or b"").decode(errors="replace")
        found = found.zfill(len(_FIRST)) if found.isascii() and found.isdigit() else found
    newest = head()
    if not (found.isascii() and found.isdigit() and _FIRST <= found <= newest):
        raise StorageError(
            f"the state has format {found.lstrip('0') or 'unknown'}, this Fieldfare reads {int(newest)}: "
            "upgrade Fieldfare"
        )
    return found


def migrate(connection: Connection) -> list[str]:
    """Apply what is missing. The caller commits; until then, nothing has changed.

    Returns:
        The revisions that were applied, oldest first.

    Raises:
        StorageError: the data base was made by a newer version, or is none of ours.
    """
    script = _script()
    found = present(connection)
    context = MigrationContext.configure(connection)
    if found is not None:
        # Also where nothing is missing: state from before there were migrations gets its stamp.
        context.stamp(script, found)
    # Oldest first; the one that is there already comes along as the end of the way back.
    steps = [one for one in script.iterate_revisions("head", found or "base") if one.revision != found][::-1]
    with Operations.context(context):
        for step in steps:
            step.module.upgrade()
            context.stamp(script, step.revision)
    return [step.revision for step in steps]


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))
