"""Folders of pictures: a sub-folder for each label, colours of the plan's, and one clear error for each bad file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from fieldfare.core.errors import DataError
from fieldfare.core.weights import TensorSpec
from tests.unit.emulator.data.examples import PICTURES, load

GREY = (np.arange(24, dtype=np.uint8) * 10).reshape(4, 6)
COLOURS = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
LABEL = TensorSpec("label", "int32", ())


def save(path: Path, pixels: np.ndarray = GREY, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def image_spec(*shape: int, dtype: str = "float32") -> tuple[TensorSpec, ...]:
    return (TensorSpec("image", dtype, shape), LABEL)


def test_labels_are_numbered_by_the_names_of_their_folders(tmp_path: Path) -> None:
    for name, value in (("wren/b.png", 20), ("heron/z.PNG", 30), ("wren/a.png", 10), ("finch/c.png", 40)):
        save(tmp_path / name, np.full((4, 6), value, np.uint8))
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "wren" / ".hidden").write_text("x")
    found = load(tmp_path, PICTURES).examples
    assert found["label"].tolist() == [0, 1, 2, 2]
    assert found["image"].shape == (4, 4, 6, 1)
    assert (found["image"][:, 0, 0, 0] * 255).round().tolist() == [40, 30, 10, 20]


def test_a_level_of_folders_tells_whose_pictures_are(tmp_path: Path) -> None:
    for name in ("bo/wren/1.png", "ada/wren/1.png", "ada/finch/2.png"):
        save(tmp_path / name)
    found = load(tmp_path, PICTURES, column="photographer")
    assert found.column is not None
    assert found.column.tolist() == ["ada", "ada", "bo"]
    assert found.examples["label"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("pixels", "shape", "expected"),
    [
        (GREY, (4, 6), GREY),
        (GREY, (4, 6, 1), GREY[..., None]),
        (GREY, (4, 6, 3), np.stack([GREY] * 3, axis=-1)),
        (COLOURS, (4, 6, 3), COLOURS),
        (np.dstack([COLOURS, GREY]), (4, 6, 4), np.dstack([COLOURS, GREY])),
        (np.dstack([COLOURS, GREY]), (4, 6, 3), COLOURS),
        (GREY > 100, (4, 6), np.where(GREY > 100, 255, 0)),
    ],
)
def test_colours_are_the_plans(tmp_path: Path, pixels: np.ndarray, shape: tuple[int, ...], expected: Any) -> None:
    save(tmp_path / "a" / "1.png", pixels)
    whole = load(tmp_path, image_spec(*shape, dtype="uint8")).examples["image"]
    assert np.array_equal(whole, expected[None])
    floats = load(tmp_path, image_spec(*shape)).examples["image"]
    assert floats.dtype == np.float32
    assert np.allclose(floats, expected[None] / 255)


def test_a_jpeg_is_turned_as_it_says(tmp_path: Path) -> None:
    lying = np.zeros((6, 4), np.uint8)
    lying[:, :2] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it a quarter to the right
    save(tmp_path / "a" / "1.jpg", lying, exif=exif, quality=95)
    found = load(tmp_path, image_spec(4, 6, dtype="uint8")).examples["image"][0]
    assert found[:2].min() > 150
    assert found[2:].max() < 50


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: (folder / "a").mkdir(), r"a: is empty; needs a sub-folder for each label"),
        (lambda folder: None, "is empty; needs a sub-folder for each label"),
        (lambda folder: save(folder / "1.png"), r"1\.png: stands where a folder is needed"),
        (lambda folder: (folder / "a").mkdir() or (folder / "a" / "x.txt").write_text("x"), r"x\.txt is no \.png"),
        (lambda folder: save(folder / "a" / "b" / "1.png"), r"b is no \.png, \.jpg or \.jpeg file"),
        (
            lambda folder: save(folder / "a" / "1.png", np.zeros((6, 6), np.uint8)),
            r"1\.png: is 6 wide and 6 high, and the plan takes 6 and 4: pictures are not resized",
        ),
        (
            lambda folder: save(folder / "a" / "1.png", np.zeros((6, 4), np.uint8)),
            r"is 4 wide and 6 high, and the plan takes 6 and 4",
        ),
        (lambda folder: save(folder / "a" / "1.png", np.zeros((4, 6), np.uint16)), "more than 8 bits a colour"),
        (lambda folder: save(folder / "a" / "1.png", GREY, format="BMP"), r"1\.png is no PNG or JPEG, or a damaged"),
        (
            lambda folder: save(folder / "a" / "1.png").write_bytes(save(folder / "a" / "1.png").read_bytes()[:-20]),
            r"1\.png is no PNG or JPEG, or a damaged one",
        ),
    ],
)
def test_a_folder_that_cannot_be_read(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=words):
        load(tmp_path, PICTURES)


def test_pictures_larger_than_allowed_are_not_decoded(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match="1 examples of 100 bytes are more than"):
        load(tmp_path, PICTURES, most_bytes=99)
    large = np.zeros((2000, 3000), np.uint8)
    save(tmp_path / "a" / "2.png", large)
    with pytest.raises(DataError, match=r"2\.png: is 3000 wide"):
        load(tmp_path, PICTURES)


def test_labels_may_be_one_hot(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/1.png", "c/1.png"):
        save(tmp_path / name)
    specs = (TensorSpec("image", "float32", (4, 6)), TensorSpec("one_hot", "float32", (3,)))
    assert np.array_equal(load(tmp_path, specs).examples["one_hot"], np.eye(3))
    save(tmp_path / "d" / "1.png")
    with pytest.raises(DataError, match="has 4 labels, and 'one_hot' of the plan takes 3"):
        load(tmp_path, specs)


@pytest.mark.parametrize(
    "specs",
    [
        image_spec(4, 6, 2),
        image_spec(24),
        (TensorSpec("image", "float32", (4, 6)),),
        (TensorSpec("image", "float32", (4, 6)), TensorSpec("brightness", "float32", ())),
        (TensorSpec("image", "float32", (4, 6)), TensorSpec("other", "float32", (4, 6)), LABEL),
    ],
)
def test_a_plan_that_takes_no_picture_and_label(tmp_path: Path, specs: tuple[TensorSpec, ...]) -> None:
    save(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match="fits a plan that takes one picture"):
        load(tmp_path, specs)


def test_numbers_that_hold_no_pixel(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match="pixels are 0 to 255, which int8 of 'image' does not hold"):
        load(tmp_path, image_spec(4, 6, dtype="int8"))


@pytest.mark.parametrize("wrapped", [False, True])
def test_pictures_in_a_parquet_file(tmp_path: Path, wrapped: bool) -> None:
    content = io.BytesIO()
    Image.fromarray(GREY).save(content, "PNG")
    values = [{"bytes": content.getvalue(), "path": "a.png"}] * 3 if wrapped else [content.getvalue()] * 3
    parquet.write_table(pa.table({"image": values, "label": [2, 0, 1]}), tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet", PICTURES).examples
    assert np.allclose(found["image"], GREY[None, ..., None] / 255)
    assert found["label"].tolist() == [2, 0, 1]
    parquet.write_table(pa.table({"image": [b"heron"], "label": [2]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'image', a picture is no PNG or JPEG") as caught:
        load(tmp_path / "a.parquet", PICTURES)
    assert "heron" not in str(caught.value)
