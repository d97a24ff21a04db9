"""The plan, exported once for all tests here."""

from pathlib import Path

import pytest

pytest.importorskip("keras")


@pytest.fixture(scope="session")
def activity_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from examples.raspberry_pi.model import export_plan

    path = tmp_path_factory.mktemp("activity") / "plan.tflite"
    export_plan(path)
    return path
