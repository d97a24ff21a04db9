"""A data base that several replicas share."""

from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fieldfare.aggregator.storage.sql._database import SqlDatabase
from fieldfare.aggregator.storage.sql._errors import cause
from fieldfare.aggregator.storage.sql._facts import write_facts
from fieldfare.aggregator.storage.sql._found import Found, look
from fieldfare.aggregator.storage.sql.migrations import migrate
from fieldfare.core.errors import ConfigError, StorageError

_CONNECT_TIMEOUT_S = 10
_STATEMENT_TIMEOUT_MS = 30_000
_LOCK_TIMEOUT_MS = 10_000
_IDLE_TIMEOUT_MS = 60_000
_CONNECTIONS = 10
# Any number will do, as long as every replica of every version takes the same.
_MIGRATION_LOCK = 0x66_69_65_6C_64


def look_at_postgresql(url: str) -> Found:
    """What a data base holds. Nothing is changed.

    Raises:
        ConfigError: no such URL, or the extra `postgres` is not installed.
        StorageError: the data base cannot be reached, or was made by a newer version.
    """
    engine = create_engine(_driver_url(url), connect_args={"connect_timeout": _CONNECT_TIMEOUT_S})
    try:
        with engine.connect() as connection:
            return look(connection)
    except SQLAlchemyError as error:
        raise StorageError(f"cannot open the data base: {cause(error)}") from error
    finally:
        engine.dispose()


def open_postgresql(url: str) -> SqlDatabase:
    """A data base on a PostgreSQL server, 13 or newer; a commit returns when it is on the server's disk.

    The first replica that starts makes the schema or brings it up to date, in one transaction; others wait for it. At
    most 10 connections are used. A statement ends after 30 s, the wait for a lock after 10 s.

    Args:
        url: "postgresql://USER:PASSWORD@HOST:PORT/NAME"; a password may come from
            `PGPASSWORD` or `~/.pgpass` instead.

    Raises:
        ConfigError: no such URL, or the extra `postgres` is not installed.
        StorageError: the data base cannot be used, does not keep what it commits, or was made by a newer version.
    """
    engine = create_engine(
        _driver_url(url),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=_CONNECT_TIMEOUT_S,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "fieldfare"},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        settings = {
            "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(_LOCK_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": str(_IDLE_TIMEOUT_MS),
        }
        for name, value in settings.items():
            connection.execute("select set_config(%s, %s, false)", (name, value))
        connection.commit()

    try:
        with engine.begin() as connection:
            _check_durability(connection)
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            migrate(connection)
            write_facts(connection)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StorageError(f"cannot use the PostgreSQL data base: {cause(error)}") from error
    except StorageError:
        engine.dispose()
        raise
    return SqlDatabase(engine)


def _driver_url(text_url: str) -> URL:
    """Never shown: it may hold a password."""
    try:
        url = make_url(text_url)
    except ArgumentError as error:
        raise ConfigError("give postgresql://USER@HOST:PORT/NAME", field="database") from error
    if url.drivername not in {"postgresql", "postgres"}:
        raise ConfigError("give postgresql://USER@HOST:PORT/NAME", field="database")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "postgresql:// needs an extra: pip install 'fieldfare[postgres]'", field="database"
        ) from error
    return url.set(drivername="postgresql+psycopg")


def _check_durability(connection: Connection) -> None:
    """A receipt says "on disk": a server that answers earlier would make a liar of it."""
    for name in ("fsync", "synchronous_commit"):
        if connection.scalar(text(f"show {name}")) == "off":
            raise StorageError(f"the PostgreSQL server has {name}=off, so it may lose what it committed: turn it on")
