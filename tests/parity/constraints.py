"""Rows of keras.constraints, and which of its names compute nothing."""

from typing import Any

import keras
from keras import constraints

from tests.parity.objectives import Objective
from tests.parity.rows import Section


def _kernel(name: str, constraint: Any, *covers: str) -> Objective:
    return Objective(name=name, covers=covers, settings=lambda: {"kernel_constraint": constraint()})


class _Rounded(constraints.Constraint):
    """A constraint of one's own."""

    def __call__(self, w: Any) -> Any:
        return keras.ops.clip(w, -0.3, 0.3)


ROWS: tuple[Objective, ...] = (
    _kernel("MaxNorm", lambda: constraints.MaxNorm(0.7), "MaxNorm"),
    _kernel("MinMaxNorm", lambda: constraints.MinMaxNorm(0.5, 0.8, rate=0.6), "MinMaxNorm"),
    _kernel("NonNeg", constraints.NonNeg, "NonNeg"),
    _kernel("UnitNorm", constraints.UnitNorm, "UnitNorm"),
    _kernel("a constraint of one's own", _Rounded),
)

SECTION = Section(
    title="Constraints",
    module=constraints,
    rows=ROWS,
    helpers=frozenset({"Constraint", "deserialize", "get", "serialize"}),
    intro="Applied after each step, as in Keras.",
)
