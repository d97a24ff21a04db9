import numpy as np
import pytest

from fieldfare.core.errors import DataError
from fieldfare.emulator.demo._digits import DigitsSplit, split_digits


@pytest.fixture(scope="module")
def split() -> DigitsSplit:
    return split_digits(devices=30, alpha=0.5, test_share=0.2, seed=1)


def rows(examples) -> list[bytes]:
    return [
        image.tobytes() + label.tobytes() for image, label in zip(examples["image"], examples["label"], strict=True)
    ]


def test_all_digits_are_used_once(split: DigitsSplit):
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images / 16).astype(np.float32)
    everything = [
        image.tobytes() + np.int32(label).tobytes() for image, label in zip(pixels, digits.target, strict=True)
    ]
    dealt = [row for examples in (*split.devices, split.test) for row in rows(examples)]
    assert len(dealt) == len(everything) == 1797
    assert sorted(dealt) == sorted(everything)


def test_the_test_digits_are_on_no_device(split: DigitsSplit):
    test = set(rows(split.test))
    assert len(split.test["label"]) == 360
    assert not test & {row for examples in split.devices for row in rows(examples)}


def test_the_test_holds_a_share_of_each_digit(split: DigitsSplit):
    assert np.bincount(split.test["label"], minlength=10).tolist() == pytest.approx([36] * 10, abs=2)


def test_shapes_dtypes_and_range(split: DigitsSplit):
    assert len(split.devices) == 30
    for examples in (*split.devices, split.test):
        image, label = examples["image"], examples["label"]
        assert image.shape == (len(label), 8, 8, 1)
        assert (image.dtype, label.dtype) == (np.float32, np.int32)
        assert image.min() == 0.0
        assert image.max() == 1.0
        assert set(label.tolist()) <= set(range(10))
    assert min(len(examples["label"]) for examples in split.devices) >= 8


def test_labels_stay_with_their_images(split: DigitsSplit):
    from sklearn.datasets import load_digits

    digits = load_digits()
    label_of = dict(zip((image.astype(np.float32).tobytes() for image in digits.images), digits.target, strict=True))
    for image, label in zip(split.test["image"], split.test["label"], strict=True):
        assert label_of[(image[..., 0] * 16).tobytes()] == label


def test_label_counts(split: DigitsSplit):
    counts = split.label_counts()
    assert counts.shape == (30, 10)
    assert counts.sum() == 1437
    assert counts[3].tolist() == [int((split.devices[3]["label"] == digit).sum()) for digit in range(10)]


def test_the_seed_settles_the_split(split: DigitsSplit):
    again = split_digits(devices=30, alpha=0.5, test_share=0.2, seed=1)
    other = split_digits(devices=30, alpha=0.5, test_share=0.2, seed=2)
    assert [rows(one) for one in again.devices] == [rows(one) for one in split.devices]
    assert [rows(one) for one in other.devices] != [rows(one) for one in split.devices]


def test_a_split_that_cannot_be():
    with pytest.raises(DataError, match="1437 examples are too few for 200 devices with 14 each"):
        split_digits(devices=200, alpha=0.5, test_share=0.2, seed=1)
