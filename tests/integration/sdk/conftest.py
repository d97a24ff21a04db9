from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.device_bench import Bench, device_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with device_bench(tmp_path) as made:
        yield made
