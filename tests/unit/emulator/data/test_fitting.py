"""Arrays in the plan's dtypes and shapes, where that changes no value but by rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data import table_from_arrays
from fieldfare.emulator.scenario import DataSettings
from tests.unit.emulator.data.examples import SPECS, WHO, X, Y, holds


def fitted(spec: TensorSpec, array: np.ndarray) -> np.ndarray:
    return table_from_arrays(DataSettings(), (spec,), {spec.name: array}).examples[spec.name]


@pytest.mark.parametrize(
    ("array", "dtype", "shape"),
    [
        (np.float64([[1, 2], [3, 4]]), "float32", (2,)),
        (np.int64([[1, 2], [3, 4]]), "int8", (2,)),
        (np.float64([[1, 2], [3, 4]]), "int32", (2,)),
        (np.uint8([[1, 0], [0, 1]]), "bool", (2,)),
        (np.array([[True, False]]), "float32", (2,)),
        (np.int16([[1, 2], [3, 4]]).astype(">i2"), "int16", (2,)),
        (np.int64([[1, 2], [3, 4]]), "int64", (2, 1)),
        (np.int64([[[1], [2]]]), "int64", (2,)),
        (np.arange(12.0).reshape(2, 6), "float32", (2, 3)),
        (np.arange(12.0).reshape(2, 2, 3, 1), "float32", (1, 2, 3)),
        (np.float32([1, 2]), "float32", (1,)),
        (np.float32([[1], [2]]), "float32", ()),
    ],
)
def test_what_fits_without_changing_a_value(array: np.ndarray, dtype: str, shape: tuple[int, ...]) -> None:
    found = fitted(TensorSpec("x", dtype, shape), array)
    assert (found.dtype, found.shape) == (np.dtype(dtype), (len(array), *shape))
    assert found.ravel().tolist() == array.ravel().tolist()


@pytest.mark.parametrize(
    ("array", "dtype", "shape", "words"),
    [
        (np.zeros((2, 3)), "float32", (2,), r"the plan takes \[2\] for each example, here are \[3\]"),
        (np.zeros((2, 3, 2)), "float32", (2, 3), r"the plan takes \[2, 3\] for each example, here are \[3, 2\]"),
        (np.float64(7712.0), "float32", (), "there are no examples"),
        (np.zeros((0, 2)), "float32", (2,), "there are no examples"),
        (np.array([1.5, 7712.25]), "int32", (), "float64 that are not all whole numbers, the plan takes int32"),
        (np.array([1.0, np.nan]), "int32", (), "not all whole numbers"),
        (np.array([1.0, np.nan]), "float32", (), "holds NaN or infinite values"),
        (np.array([7.7e77]), "float32", (), "holds NaN or infinite values"),
        (np.array([77122]), "int16", (), "numbers that int16, which the plan takes, cannot hold"),
        (np.array([-1]), "uint8", (), "numbers that uint8"),
        (np.array([2]), "bool", (), "numbers that bool"),
        (np.array(["a", "b"]), "int32", (), "holds texts, the plan takes int32"),
        (np.array([1, None]), "int32", (), "holds Python objects"),
        (np.array([1j]), "float32", (), "holds complex128"),
    ],
)
def test_what_does_not_fit_is_told_without_a_value(
    array: np.ndarray, dtype: str, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        fitted(TensorSpec("x", dtype, shape), array)
    assert "771" not in str(caught.value)


@given(
    st.lists(st.floats(width=64, allow_nan=True), min_size=1, max_size=8),
    st.sampled_from(["float32", "int8", "uint8", "int32", "int64", "bool"]),
)
def test_numbers_come_through_unchanged_or_are_refused(values: list[float], dtype: str) -> None:
    array = np.array(values)
    try:
        found = fitted(TensorSpec("x", dtype, ()), array)
    except DataError:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype)
        assert not (np.isfinite(cast).all() and np.array_equal(cast.astype(np.float64), array))
        return
    assert np.allclose(found.astype(np.float64), array, rtol=1e-7, atol=1e-45)


def test_arrays_in_memory_stand_for_a_source() -> None:
    assert holds(table_from_arrays(DataSettings(), SPECS, {"x": X, "y": Y, "more": Y}), whose=False)
    named = DataSettings(columns={"x": "pixels"}, column="user")
    assert holds(table_from_arrays(named, SPECS, {"pixels": X.tolist(), "y": list(Y), "user": list(WHO)}))
    for settings, arrays, error, words in (
        (DataSettings(), {"x": X}, DataError, r"the arrays: has no column 'y', it has 'x'; data.columns can name"),
        (DataSettings(), {"x": X, "y": Y[:4]}, DataError, r"different numbers of examples: \{'x': 5, 'y': 4\}"),
        (DataSettings(), {}, DataError, "there are no examples"),
        (DataSettings(most_bytes=139), {"x": X, "y": Y}, DataError, "5 examples of 28 bytes are more than"),
        (DataSettings(columns={"z": "x"}), {"x": X, "y": Y}, ConfigError, "have no tensor 'z'; they have x, y"),
        (DataSettings(columns={"x": "y"}), {"x": X, "y": Y}, ConfigError, "a column is named twice"),
        (DataSettings(column="y"), {"x": X, "y": Y}, ConfigError, "a column is named twice"),
        (DataSettings(column="u"), {"x": X, "y": Y, "u": WHO[:4]}, DataError, "'u': needs one value for each of the 5"),
        (DataSettings(column="u"), {"x": X, "y": Y, "u": X}, DataError, "needs one value for each"),
        (DataSettings(column="u"), {"x": X, "y": Y, "u": Y + 0.5}, DataError, "whole numbers or texts, not float64"),
    ):
        with pytest.raises(error, match=words):
            table_from_arrays(settings, SPECS, arrays)
    assert holds(table_from_arrays(DataSettings(most_bytes=140), SPECS, {"x": X, "y": Y}), whose=False)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["10", "9", "-2", "9", "10"], [10, 9, -2, 9, 10]),
        (["10", "9", "02", "9", "10"], ["10", "9", "02", "9", "10"]),
        ([1.0, 2.0, 1.0, 2.0, 3.0], [1, 2, 1, 2, 3]),
        ([[1], [2], [1], [2], [3]], [1, 2, 1, 2, 3]),
        ([True, False, True, False, True], [True, False, True, False, True]),
    ],
)
def test_whose_examples_are_is_told_by_numbers_or_texts(column: list, expected: list) -> None:
    found = table_from_arrays(DataSettings(column="u"), SPECS, {"x": X, "y": Y, "u": column}).column
    assert found is not None
    assert found.tolist() == expected
