"""Data sets of Hugging Face's `datasets`, written here with its own `save_to_disk`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldfare.core.errors import ConfigError, DataError
from tests.unit.emulator.data.examples import PICTURES, WHO, X, Y, holds, load

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Any:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def features(**columns: Any) -> Any:
    return datasets.Features(columns)


def test_a_data_set_and_one_with_splits(tmp_path: Path) -> None:
    told = features(
        signal=datasets.Array2D((2, 3), "float32"),
        y=datasets.ClassLabel(num_classes=6),
        who=datasets.Value("string"),
        more=datasets.Value("binary"),
    )
    whole = datasets.Dataset.from_dict(
        {"signal": X[::-1], "y": Y[::-1], "who": WHO[::-1].tolist(), "more": [b"x"] * 5}, features=told
    )
    # The order is that of the selection, not of the file.
    turned = whole.select([4, 3, 2, 1, 0])
    turned.save_to_disk(tmp_path / "whole")
    settings: dict[str, Any] = {"columns": {"x": "signal"}, "column": "who"}
    assert holds(load(tmp_path / "whole", **settings))
    datasets.DatasetDict({"train": turned, "test": whole}).save_to_disk(tmp_path / "splits")
    assert holds(load(tmp_path / "splits", split="train", **settings))
    assert not holds(load(tmp_path / "splits", split="test", **settings))
    datasets.DatasetDict({"only": turned}).save_to_disk(tmp_path / "one")
    assert holds(load(tmp_path / "one", **settings))
    for name, split in (("splits", None), ("splits", "valid")):
        with pytest.raises(ConfigError, match=r"data\.split: must be one of the splits of .*: test, train"):
            load(tmp_path / name, split=split, **settings)
    with pytest.raises(ConfigError, match=r"data\.split: .*has no splits"):
        load(tmp_path / "whole", split="train", **settings)
    with pytest.raises(DataError, match=r"has no column 'x', it has 'more', 'signal', 'who', 'y'"):
        load(tmp_path / "whole")
    with pytest.raises(DataError, match="5 examples of 28 bytes are more than"):
        load(tmp_path / "whole", most_bytes=20, **settings)


def test_pictures_and_rows_that_do_not_fit(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    told = features(image=datasets.Image(), label=datasets.Value("int64"))
    images = [Image.fromarray(pixels), Image.fromarray(pixels + 100)]
    datasets.Dataset.from_dict({"image": images, "label": [1, 0]}, features=told).save_to_disk(tmp_path / "pictures")
    found = load(tmp_path / "pictures", PICTURES).examples
    assert np.allclose(found["image"][1, ..., 0], (pixels + 100) / 255)
    assert found["label"].tolist() == [1, 0]
    datasets.Dataset.from_dict({"x": [[1.0], [7712.0, 3.0]], "y": [1, 2]}).save_to_disk(tmp_path / "ragged")
    with pytest.raises(DataError, match="'x': its rows have different lengths"):
        load(tmp_path / "ragged")


def test_a_damaged_folder(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"x": [[7712.0] * 6] * 500, "y": [1] * 500}).save_to_disk(tmp_path / "data")
    (file,) = (tmp_path / "data").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(
        DataError, match=r"`datasets` cannot read it .*: no such data set or configuration, or a damaged"
    ) as caught:
        load(tmp_path / "data")
    assert "7712" not in str(caught.value)
    (tmp_path / "data" / "state.json").write_text("{")
    with pytest.raises(DataError, match="cannot read it"):
        load(tmp_path / "data")


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r'must be "hub:OWNER/NAME" or .*, got .hub:digits.'):
        load("hub:digits")
    # As where there is no network.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"^hub:nobody/nothing: the hub cannot be reached"):
        load("hub:nobody/nothing")
