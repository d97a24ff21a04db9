from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldfare.aggregator.storage.sql import SqlDatabase, open_postgresql, open_sqlite
from tests.support.shared_storage import postgres, s3  # noqa: F401 - fixtures
from tests.unit.aggregator.pairs import Pair
from tests.unit.aggregator.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "state")
    yield world
    world.database.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path / "state")
    yield made
    made.red.database.close()
    made.blue.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDatabase]:
    """An empty data base, of each kind."""
    if request.param == "sqlite":
        made = open_sqlite(tmp_path / "test.db")
    else:
        made = open_postgresql(request.getfixturevalue("postgres").new_database())
    yield made
    made.close()
