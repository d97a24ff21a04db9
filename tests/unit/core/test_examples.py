import numpy as np
import pytest

from fieldfare.core.errors import DataError
from fieldfare.core.plans import check_examples, count_rows, take_rows
from fieldfare.core.weights import TensorSpec

SPECS = (TensorSpec("x", "float32", (2,)), TensorSpec("y", "int32", ()))
GOOD = {"x": np.array([[1, 2], [3, 4], [5, 6]], "f4"), "y": np.array([7, 8, 9], "i4")}


def test_good_examples_are_counted():
    assert check_examples(SPECS, GOOD) == 3
    assert count_rows(GOOD) == 3


def test_rows_are_taken_from_every_tensor():
    taken = take_rows(GOOD, np.array([2, 0]))
    assert taken["x"].tolist() == [[5, 6], [1, 2]]
    assert taken["y"].tolist() == [9, 7]
    assert take_rows(GOOD, slice(1, 2))["y"].tolist() == [8]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"z": np.zeros(3)}, r"need the tensors \['x', 'y'\], got \['x', 'y', 'z'\]"),
        ({"x": np.zeros((3, 2))}, "'x': expected dtype float32, got float64; convert it with .astype"),
        ({"x": np.zeros((3, 2), ">f4")}, "expected dtype float32, got >f4"),
        ({"x": np.zeros((3, 3), "f4")}, r"'x': expected shape \(n, \*\(2,\)\), got \(3, 3\)"),
        ({"y": np.zeros((), "i4")}, r"'y': expected shape"),
        ({"x": np.array([[1, np.nan]] * 3, "f4")}, "'x': holds NaN or infinite values"),
        ({"x": np.array([[1, np.inf]] * 3, "f4")}, "NaN or infinite"),
        ({"y": np.zeros(2, "i4")}, "different numbers of examples: {'x': 3, 'y': 2}"),
        ({"x": np.zeros((0, 2), "f4"), "y": np.zeros(0, "i4")}, "there are no examples"),
    ],
)
def test_what_is_wrong_is_said(changes, words):
    with pytest.raises(DataError, match=words):
        check_examples(SPECS, {**GOOD, **changes})


def test_a_missing_tensor_is_named():
    with pytest.raises(DataError, match=r"need the tensors \['x', 'y'\], got \['x'\]"):
        check_examples(SPECS, {"x": GOOD["x"]})


def test_messages_never_hold_a_value():
    with pytest.raises(DataError) as caught:
        check_examples(SPECS, {**GOOD, "x": np.full((3, 2), 12345.678)})
    assert "12345" not in str(caught.value)
