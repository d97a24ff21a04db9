"""A data base in one file."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._errors import cause
from fieldfare.aggregator.storage.sql._facts import write_facts
from fieldfare.aggregator.storage.sql._found import Found, look
from fieldfare.aggregator.storage.sql.migrations import head, migrate, present
from fieldfare.core.errors import StorageError
from fieldfare.core.files import sync_folder


def look_at_sqlite(path: Path) -> Found:
    """What a file holds. Nothing is changed.

    Raises:
        StorageError: it cannot be read, or was made by a newer version.
    """
    if not path.exists():
        return Found()
    engine = create_engine(f"sqlite:///file:{path.absolute()}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            return look(connection)
    except SQLAlchemyError as error:
        raise StorageError(f"cannot open the data base {path}: {cause(error)}") from error
    finally:
        engine.dispose()


def open_sqlite(path: Path) -> SqlDatabase:
    """A data base in one file, with write-ahead log; a commit returns when it is on disk.

    State of an older version is upgraded in one transaction; a copy of the file, `<name>.before-upgrade`, lies beside
    until that has succeeded.

    Raises:
        StorageError: the file cannot be opened or upgraded, is damaged, or was made by a newer version. What it held is
            as it was.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    try:
        _upgrade(engine, path)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StorageError(f"cannot open or upgrade the data base {path}: {cause(error)}; it is as it was") from error
    except OSError as error:
        engine.dispose()
        raise StorageError(f"cannot copy {path} before its upgrade: {error.strerror or error}") from error
    except StorageError:
        engine.dispose()
        raise
    return SqlDatabase(engine)


def _upgrade(engine: Engine, path: Path) -> None:
    kept = path.with_name(f"{path.name}.before-upgrade")
    with engine.connect() as connection:
        # A table is changed by making it anew, which must not cascade; the pragma is of no effect in a transaction.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
        found = present(connection)
        connection.commit()
        if found is not None and found != head():
            _copy(connection, kept)
        # The driver begins no transaction of its own before DDL; in this one, all of it takes effect or none.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate(connection)
        write_facts(connection)
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise StorageError(f"the upgrade of {path} would lose what rows refer to: it was not made")
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    kept.unlink(missing_ok=True)


def _copy(connection: Connection, kept: Path) -> None:
    """Everything that is committed, the write-ahead log's part included, synced."""
    kept.unlink(missing_ok=True)
    connection.exec_driver_sql("VACUUM INTO ?", (str(kept),))
    connection.commit()
    kept.chmod(0o600)
    with kept.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(kept.parent)
