"""Functions that return a `tf.data.Dataset`, read in a process of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import DataError, FieldfareError, ModelError, NotFoundError
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data import Wanted, load_table
from fieldfare.emulator.data.sources import write_tf_data
from fieldfare.emulator.scenario import DataSettings

SPECS = (TensorSpec("x", "float32", (2, 3)), TensorSpec("y", "int32", ()))
X = np.arange(30, dtype=np.float32).reshape(5, 2, 3)
Y = np.array([3, 1, 4, 1, 5], np.int32)
CODE = """
import numpy as np
import tensorflow as tf

X = np.arange(30, dtype=np.float32).reshape(5, 2, 3)
Y = np.array([3, 1, 4, 1, 5])
WHO = np.array(["ada", "bo", "ada", "cy", "bo"])
of = tf.data.Dataset.from_tensor_slices

def tuples():
    return of((X, Y))

def batches():
    return of((X, Y)).batch(2)

def dictionaries():
    return of({"y": Y, "x": X, "who": WHO, "more": Y})

def both():
    return of(({"x": X}, Y))

def generated():
    spec = (tf.TensorSpec((None, 2, 3), tf.float64), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(lambda: iter([(X[:3], Y[:3]), (X[3:], Y[3:])]), output_signature=spec)

def three():
    return of((X, Y, Y))

def endless():
    return of((X, Y)).repeat()

def long():
    return of((X, Y)).repeat(10**9)

def empty():
    return of((X, Y)).take(0)

def ragged():
    return of((tf.ragged.constant([[1.0], [2.0, 3.0]]), [1, 2])).batch(2)

def uneven():
    return of((X, Y)).batch(2).map(lambda x, y: (x, y[:1]))

def fractions():
    return of((X, Y + 7712.25))

def fails():
    def checked(x, y):
        with tf.control_dependencies([tf.debugging.assert_less(y, np.int64(4))]):
            return x, tf.identity(y)
    return of((X, Y)).map(checked)

def a_list():
    return [1, 2]
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    return path


def read(code: Path, name: str, whose: str | None = None, most_bytes: int = 10_000) -> tuple[list[Any], Any]:
    """In this process, which has TensorFlow anyway."""
    out = code.parent / name
    out.mkdir()
    wanted = Wanted(SPECS, ("x", "y"), whose, most_bytes)
    rows, whose_rows = write_tf_data(f"{code}:{name}", wanted, out)
    arrays = [np.fromfile(out / str(index), spec.dtype).reshape(rows, *spec.shape) for index, spec in enumerate(SPECS)]
    return arrays, whose_rows


def test_a_process_of_its_own_hands_the_examples_over(code: Path) -> None:
    table = load_table(DataSettings(f"{code}:dictionaries", column="who"), SPECS)
    assert np.array_equal(table.examples["x"], X)
    assert np.array_equal(table.examples["y"], Y)
    assert table.column is not None
    assert table.column.tolist() == ["ada", "bo", "ada", "cy", "bo"]


@pytest.mark.parametrize("name", ["tuples", "batches", "dictionaries", "both", "generated"])
def test_elements_of_every_form(code: Path, name: str) -> None:
    (x, y), _ = read(code, name)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (
            "three",
            DataError,
            r"the plan takes 'x', 'y'; the data set's elements have none by name and 3 without a name",
        ),
        ("endless", DataError, r"has no end: leave out \.repeat"),
        ("long", DataError, r"examples of 28 bytes are more than data\.most_bytes = 10,000"),
        ("empty", DataError, "there are no examples"),
        ("ragged", DataError, "'x': its rows have different lengths"),
        ("uneven", DataError, "different numbers of examples"),
        ("fractions", DataError, "'y': holds float64 that are not all whole numbers"),
        ("fails", ModelError, "fails raised InvalidArgumentError"),
        ("a_list", DataError, r"returned list, not a tf\.data\.Dataset"),
        ("nothing", NotFoundError, "has no function 'nothing'"),
    ],
)
def test_what_does_not_fit(code: Path, name: str, error: type[FieldfareError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read(code, name)
    assert "7712" not in str(caught.value)
