from pathlib import Path

import pytest

pytest.importorskip("keras")
pytest.importorskip("textual")

TEXT = """To be, or not to be: that is the question.
Whether it is nobler in the mind to suffer, and a question of that mind.
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two lines, as `examples.keyboard.prepare` makes it."""
    from examples.keyboard.prepare import prepare

    folder = tmp_path_factory.mktemp("model")
    (folder / "text.txt").write_text(TEXT)
    prepare(folder, [folder / "text.txt"], epochs=1)
    return folder
