"""A store that an earlier version wrote: brought to this one's tables, with nothing lost."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import StorageError
from fieldfare.sdk import ExampleStore, StoreLimits, TensorSpec

SPECS = (TensorSpec("x", "float32", (2,)), TensorSpec("label", "int32", ()))
NOW = datetime(2026, 5, 1, tzinfo=UTC)
VERSION_0 = Path(__file__).with_name("store_of_version_0.sql").read_text()
"""What the command `.dump` says of a store of version 0 with ten examples, two of them with keys, two deleted."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_0)
    return path


def test_nothing_is_lost(path: Path) -> None:
    with ExampleStore.open(path, now=lambda: NOW) as store:
        assert store.specs == SPECS
        assert store.held_out_share == 0.25
        assert store.training()["label"].tolist() == [0, 1, 3, 5, 6, 7, 8, 9, 10]
        assert store.held_out()["label"].tolist() == [4]
        assert store.collections() == {"default": 10}
        assert {one.added for one in store.stored()} == {NOW}
        assert store.add({"x": [8, 8], "label": 80}, key="a") == 11
        assert store.add({"x": [9, 9], "label": 90}) == 13, "numbers that were given are not given again"


def test_the_share_goes_on_where_it_was(path: Path) -> None:
    with ExampleStore.open(path) as store:
        # Twelve came before, three of them held out and two of those deleted: 1 of each 4 that come.
        for index in range(8):
            store.add({"x": [0, 0], "label": 100 + index})
        assert store.count(held_out=True) == 1 + 2


def test_opening_it_again_changes_nothing(path: Path) -> None:
    ExampleStore.open(path).close()
    before = path.read_bytes()
    with ExampleStore.open(path) as store, ExampleStore.open(path) as other:
        assert store.count() == other.count() == 10
    assert path.read_bytes() == before


def test_age_begins_with_the_upgrade(path: Path) -> None:
    with ExampleStore.open(path, now=lambda: NOW) as store:
        store.set_limits(StoreLimits(max_age=timedelta(days=1)))
        assert store.count() == 10
    with ExampleStore.open(path, now=lambda: NOW + timedelta(days=2)) as store:
        assert store.count() == 0


def test_a_later_version_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match=r"old\.db cannot be used: it is of version 99, .* update fieldfare"):
        ExampleStore.open(path)


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    """Half of the statements can be carried out, and the rest cannot."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE collections (a); CREATE TABLE other (b);")
        before = list(connection.iterdump())
    with pytest.raises(StorageError, match=r"old\.db cannot be used"):
        ExampleStore.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
