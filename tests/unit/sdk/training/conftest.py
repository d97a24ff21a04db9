from pathlib import Path

import pytest

from fieldfare.core.weights import pack_weights
from fieldfare.sdk.training import LiteRtTrainer
from tests.support.tiny_plan import tiny_plan
from tests.unit.sdk.training.regression import START, WEIGHTS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "plan").write_bytes(tiny_plan(features=2))
    (folder / "weights").write_bytes(pack_weights(WEIGHTS, START))
    return folder / "plan", folder / "weights"


@pytest.fixture(scope="module")
def trainer() -> LiteRtTrainer:
    return LiteRtTrainer()
