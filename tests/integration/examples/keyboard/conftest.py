from pathlib import Path

import pytest

from examples.keyboard.app.keyboard import PLAN, VOCABULARY
from examples.keyboard.words import Vocabulary

pytest.importorskip("keras")
pytest.importorskip("textual")

WORDS = ["the", "and", "to", "of", "a", "that", "is", "not", "it", "be", "or", "question", "nobler", "mind", "suffer"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of a few words, as `examples.keyboard.prepare` leaves it."""
    from examples.keyboard.model import build_model, export_plan

    folder = tmp_path_factory.mktemp("model")
    vocabulary = Vocabulary(tuple(WORDS))
    export_plan(build_model(len(vocabulary), seed=1, width=4), folder / PLAN, learning_rate=0.5)
    (folder / VOCABULARY).write_text("\n".join(vocabulary.words))
    return folder
