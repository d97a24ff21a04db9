"""Rows of keras.regularizers, and which of its names compute nothing."""

from typing import Any

import keras
from keras import regularizers

from tests.parity.objectives import Objective
from tests.parity.rows import Section


def _kernel(name: str, regularizer: Any, *covers: str, since: str = "") -> Objective:
    return Objective(name=name, covers=covers, since=since, settings=lambda: {"kernel_regularizer": regularizer()})


def _own(weights: Any) -> Any:
    return 0.01 * keras.ops.sum(keras.ops.power(keras.ops.abs(weights), 1.5))


ROWS: tuple[Objective, ...] = (
    _kernel("L1", lambda: regularizers.L1(0.02), "L1"),
    _kernel("L2", lambda: regularizers.L2(0.02), "L2"),
    _kernel("L1L2", lambda: regularizers.L1L2(0.01, 0.02), "L1L2"),
    _kernel("OrthogonalRegularizer", lambda: regularizers.OrthogonalRegularizer(0.02), "OrthogonalRegularizer"),
    _kernel(
        "OrthogonalRegularizer, of columns",
        lambda: regularizers.OrthogonalRegularizer(0.02, mode="columns"),
    ),
    _kernel("a function of one's own", lambda: _own, since="3.15"),
    Objective(
        name="of a bias",
        settings=lambda: {"bias_regularizer": regularizers.L2(0.1), "bias_initializer": "random_normal"},
    ),
    Objective(name="of activities", settings=lambda: {"activity_regularizer": regularizers.L1L2(0.01, 0.02)}),
)

SECTION = Section(
    title="Regularisers",
    module=regularizers,
    rows=ROWS,
    helpers=frozenset({"Regularizer", "deserialize", "get", "serialize"}),
    intro="Of weights that train. The penalty is in the loss that `train` and `evaluate` give.",
)
