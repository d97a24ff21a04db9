"""Rows of losses, regularisers and constraints as branches of one compiled model: all of them share one export.

Every branch is a `Dense` on the one input, with an output, a loss and a target of its own. Nothing joins the branches
but the sum of their losses, so the weights of a branch tell about its row.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fieldfare.converters import ParityReport, check_parity, export_keras
from tests.parity.rows import Row

BATCH = 6
STEPS = 5
FEATURES = 5
CLASSES = 4
IGNORED = -1

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


def _shares(draw: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    raw = draw.random(shape) + 0.1
    return np.asarray(raw / raw.sum(-1, keepdims=True), np.float32)


def _numbers(draw: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return draw.integers(0, CLASSES, shape[:-1]).astype(np.int32)


def _some_ignored(draw: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    # As many in every example: a short batch then has the share of them that a full one has.
    numbers = _numbers(draw, shape)
    numbers[:, 0] = IGNORED
    return numbers


TARGETS: dict[str, Draw] = {
    "values": lambda draw, shape: draw.standard_normal(shape, np.float32),
    "positive": lambda draw, shape: draw.random(shape, np.float32) + np.float32(0.5),
    "signs": lambda draw, shape: (draw.integers(0, 2, shape) * 2 - 1).astype(np.float32),
    "bits": lambda draw, shape: draw.integers(0, 2, shape).astype(np.float32),
    "shares": _shares,
    "numbers": _numbers,
    "numbers, some ignored": _some_ignored,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective(Row):
    """A row that is a branch of its section's model.

    Attributes:
        loss: makes the loss as `compile` takes it.
        target: one of `TARGETS`.
        shape: of the branch's output, without the batch.
        activation: of its output.
        factor: its loss weight.
        settings: of its `Dense`.
    """

    loss: Callable[[], Any] = lambda: "mse"
    target: str = "values"
    shape: tuple[int, ...] = (CLASSES,)
    activation: str = "linear"
    factor: float = 1.0
    settings: Callable[[], dict[str, Any]] = dict

    @property
    def slug(self) -> str:
        """The name as an output of a model can have it."""
        return "row_" + "".join(one if one.isalnum() else "_" for one in self.name.lower())

    def output(self, features: Any) -> Any:
        """The branch on the model's input."""
        hidden = keras.layers.Dense(int(np.prod(self.shape)), name=f"{self.slug}_dense", **self.settings())(features)
        hidden = keras.layers.Reshape(self.shape)(hidden)
        return keras.layers.Activation(self.activation, name=self.slug)(hidden)


def model_of(rows: Sequence[Objective]) -> Any:
    """All branches side by side, compiled with a dict of losses and of loss weights."""
    keras.utils.set_random_seed(11)
    features = keras.Input((FEATURES,), name="features")
    model = keras.Model(features, {row.slug: row.output(features) for row in rows})
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        loss={row.slug: row.loss() for row in rows},
        loss_weights={row.slug: row.factor for row in rows},
    )
    return model


def batches_of(rows: Sequence[Objective]) -> list[dict[str, NDArray[Any]]]:
    """Five batches, the last one short."""
    draw = np.random.default_rng(5)
    made = []
    for size in [BATCH] * (STEPS - 1) + [BATCH // 3]:
        batch = {"features": draw.standard_normal((size, FEATURES), np.float32)}
        made.append(batch | {row.slug: TARGETS[row.target](draw, (size, *row.shape)) for row in rows})
    return made


@cache
def compared(rows: tuple[Objective, ...]) -> ParityReport:
    """Export and train a model of these rows; once for each tuple."""
    model, batches = model_of(rows), batches_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.tflite"
        export_keras(model, path, batch_size=BATCH)
        plain = check_parity(model, path, batches=batches[-2:], delegates=False)
        assert plain.ok, plain
        return check_parity(model, path, batches=batches)


def check_row(rows: tuple[Objective, ...], row: Objective) -> None:
    """Fail where the row's branch differs from Keras, or the sum of all losses does."""
    report = compared(rows)
    own = {name: one for name, one in (report.weights | report.state).items() if name.startswith(f"{row.slug}_dense")}
    # The kernel, the bias, and the momentum of each.
    assert len(own) == 4
    assert not {name: one for name, one in own.items() if not one <= report.tolerance}
    assert report.steps == STEPS
    assert not report.idle
    assert max(*report.losses, report.outputs, report.evaluated["loss"]) <= report.tolerance
