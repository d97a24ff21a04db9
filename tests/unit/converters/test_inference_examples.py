"""Calibration and evaluation files."""

import numpy as np
import pytest

from fieldfare.converters.inference import Comparison
from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.files import read_npz
from fieldfare.core.weights import TensorSpec

_X, _Y = TensorSpec("x", "float32", (2,)), TensorSpec("y", "int32", ())
_GOOD = {"x": np.ones((3, 2), np.float32)}


def test_what_is_spare_may_be_there_and_is_not_read(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, **_GOOD, y=np.zeros((3, 7)))
    found = read_npz(path, [_X], spare=[_Y])
    assert list(found) == ["x"]
    np.testing.assert_array_equal(found["x"], _GOOD["x"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"need the tensors \['x'\]"),
        ({"z": np.ones((3, 2), np.float32)}, r"got \['z'\]"),
        (_GOOD | {"z": np.ones(3)}, "need the tensors"),
        ({"x": np.ones((3, 4), np.float32)}, "expected shape"),
        ({"x": np.ones((3, 2), np.float64)}, "expected dtype float32"),
        ({"x": np.ones((0, 2), np.float32)}, "there are no examples"),
        ({"x": np.full((3, 2), np.nan, np.float32)}, "NaN"),
        ({"x": np.array([{"secret": 1}, None])}, "Python objects"),
    ],
)
def test_other_examples_are_refused_with_the_files_name(tmp_path, arrays, message):
    path = tmp_path / "some.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(path, [_X])
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_files_that_are_no_npz_are_refused(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, **_GOOD)
    whole = path.read_bytes()
    np.save(tmp_path / "one.npy", _GOOD["x"])
    for content in (b"", b"nonsense", whole[: len(whole) // 2], (tmp_path / "one.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no NPZ file"):
            read_npz(path, [_X])
    for missing in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(NotFoundError, match="cannot read"):
            read_npz(missing, [_X])


def test_a_comparison_reads_as_a_table():
    found = Comparison(1200, (4000, 1000), {"accuracy": (0.9, 0.89)}, ("loss",), {"kind": 0.034})
    assert str(found).splitlines() == [
        "1,200 examples",
        "                                 float          int8    difference",
        "bytes                            4,000         1,000        -75.0%",
        "accuracy                        0.9000        0.8900       -0.0100",
        "largest difference of kind: 3.40% of its range",
        "not a function of the outputs, so not compared: loss",
    ]
