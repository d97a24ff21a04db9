"""What the tests of sources have in common: a plan's specs, and the examples that fit them."""

from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.data import Table, load_table
from fieldfare.emulator.scenario import DataSettings

SPECS = (TensorSpec("x", "float32", (2, 3)), TensorSpec("y", "int32", ()))
PICTURES = (TensorSpec("image", "float32", (4, 6, 1)), TensorSpec("label", "int32", ()))
X = np.arange(30, dtype=np.float32).reshape(5, 2, 3) / 4
Y = np.array([3, 1, 4, 1, 5], np.int32)
WHO = np.array(["ada", "bo", "ada", "cy", "bo"])
CANARY = 7712.25
"""A value that no message may show."""


def load(source: Path | str, specs: tuple[TensorSpec, ...] = SPECS, **settings: Any) -> Table:
    return load_table(DataSettings(str(source), **settings), specs)


def holds(table: Table, *, whose: bool = True) -> bool:
    """Whether these are the examples from above."""
    x, y = table.examples["x"], table.examples["y"]
    same = x.dtype == np.float32 and y.dtype == np.int32 and np.array_equal(x, X) and np.array_equal(y, Y)
    return same and (table.column is None if not whose else np.array_equal(table.column, WHO))
