"""State of every earlier version is brought to the present schema, or left as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from fieldfare.aggregator.storage import open_sqlite
from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql.migrations import head, migrate, present
from fieldfare.aggregator.storage.sql.migrations.versions import r0001_first_schema as first
from fieldfare.core.errors import StorageError
from tests.unit.aggregator.world import SPEC, World, check_in_all


@contextmanager
def connected(path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def columns(connection: Connection, table: str) -> list[str]:
    return [row[1] for row in connection.exec_driver_sql(f"pragma table_info({table})")]


def make_first_format(path: Path, source: Path) -> None:
    """The present state of `source` as the version before migrations would have written it."""
    with connected(path) as connection:
        with Operations.context(MigrationContext.configure(connection)):
            first.upgrade()
        connection.exec_driver_sql("attach database ? as source", (str(source),))
        for table in ("facts", "tasks", "checkpoints", "rounds", "snapshots", "counted"):
            names = ", ".join(f'"{name}"' for name in columns(connection, table))
            connection.exec_driver_sql(f"insert into {table} ({names}) select {names} from source.{table}")  # noqa: S608
        connection.execute(text("update facts set value = :one where name = 'format_version'"), {"one": b"1"})


def as_first_format(world: World) -> Path:
    """Close the world's data base, and put one of the first format in its place."""
    world.database.close()
    path = world.folder / "fieldfare.db"
    old = path.rename(path.with_name("now.db"))
    make_first_format(path, old)
    old.unlink()
    return path


def test_the_revisions_make_the_tables(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "test.db").close()
    with connected(tmp_path / "test.db") as connection:
        assert present(connection) == head()
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
        assert migrate(connection) == []


def test_a_round_goes_on_after_the_upgrade(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 4)
    for work in works[:2]:
        world.report(work, (1, 0, 0))
    world.work()
    path = as_first_format(world)
    world.start()
    for work in works[2:]:
        assert world.report(work, (3, 0, 0))
    world.work()
    assert world.weights(1).tolist() == pytest.approx([3, 2, 3])
    assert not path.with_name("fieldfare.db.before-upgrade").exists()
    with connected(path) as connection:
        assert present(connection) == head()
        numbers = connection.execute(text("select counted_in, number from counted")).all()
        assert len(numbers) == 4
        assert all(counted_in == number for counted_in, number in numbers[:2])
        format_version = connection.execute(text("select value from facts where name = 'format_version'")).scalar()
        assert int(format_version or b"") == int(head()) > 1


def test_an_upgrade_that_fails_leaves_the_old_state(world: World) -> None:
    world.submit(SPEC)
    for work in check_in_all(world, 2):
        world.report(work)
    world.work()
    path = as_first_format(world)
    with connected(path) as connection:
        # A view in the way of the very last statements: everything before them has to be undone.
        connection.execute(text("create table alembic_version (version_num varchar(32) not null)"))
        connection.execute(text("insert into alembic_version values ('0001')"))
        connection.execute(
            text(
                "create trigger in_the_way before update on alembic_version "
                "begin select raise(abort, 'no space left'); end"
            )
        )
        before = list(connection.connection.iterdump())  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match="no space left; it is as it was"):
        open_sqlite(path)
    with connected(path) as connection:
        assert list(connection.connection.iterdump()) == before  # type: ignore[attr-defined]
        connection.execute(text("drop trigger in_the_way"))
    with connected(path.with_name("fieldfare.db.before-upgrade")) as connection:
        assert connection.execute(text("select count(*) from counted")).scalar() == 2
    assert path.with_name("fieldfare.db.before-upgrade").stat().st_mode & 0o777 == 0o600
    open_sqlite(path).close()
    assert not path.with_name("fieldfare.db.before-upgrade").exists()
    world.start()
    assert world.status().rounds[0].reported == 2


@pytest.mark.parametrize(
    "statement",
    [
        "update facts set value = X'39393939' where name = 'format_version'; drop table alembic_version",
        "update alembic_version set version_num = '9999'",
    ],
)
def test_state_of_a_newer_version_is_refused(tmp_path: Path, statement: str) -> None:
    open_sqlite(tmp_path / "test.db").close()
    with connected(tmp_path / "test.db") as connection:
        for one in statement.split(";"):
            connection.execute(text(one))
    with pytest.raises(StorageError, match=rf"format 9999, this Fieldfare reads {int(head())}: upgrade"):
        open_sqlite(tmp_path / "test.db")


def test_tables_of_something_else_are_left_alone(tmp_path: Path) -> None:
    with connected(tmp_path / "test.db") as connection:
        connection.execute(text("create table facts (name text, value blob)"))
    with pytest.raises(StorageError, match="format unknown"):
        open_sqlite(tmp_path / "test.db")
    with connected(tmp_path / "test.db") as connection:
        assert columns(connection, "tasks") == []
