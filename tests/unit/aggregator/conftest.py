from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shared_storage import postgres, s3  # noqa: F401 - fixtures
from tests.unit.aggregator.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "state")
    yield world
    world.database.close()
