"""Rows of keras.optimizers, each a plan of one small model, and which of its names are refused or compute nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import optimizers

from fieldfare.converters.training import REFUSED_OPTIMIZERS
from tests.parity.rows import Row, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizing(Row):
    """A row that trains a model of its own.

    Attributes:
        make: the optimiser.
    """

    make: Callable[[], Any]


def _row(name: str, make: Callable[[], Any], note: str = "", since: str = "") -> Optimizing:
    kind = name.partition(",")[0]
    return Optimizing(name=name, covers=(kind,), make=make, note=note, since=since)


def _without_decay_of_biases() -> Any:
    made = optimizers.AdamW(0.01, weight_decay=0.1)
    made.exclude_from_weight_decay(var_names=["bias"])
    return made


ROWS: tuple[Optimizing, ...] = (
    _row("SGD", lambda: optimizers.SGD(0.05)),
    _row("SGD, Nesterov momentum, clipnorm", lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=0.3)),
    _row("Adam, clipvalue", lambda: optimizers.Adam(0.01, clipvalue=0.05)),
    _row("Adam, amsgrad, global_clipnorm", lambda: optimizers.Adam(0.01, amsgrad=True, global_clipnorm=0.3)),
    _row("AdamW, biases excluded from the decay", _without_decay_of_biases),
    _row("Adamax", lambda: optimizers.Adamax(0.01)),
    _row("Nadam", lambda: optimizers.Nadam(0.01)),
    _row("Adagrad", lambda: optimizers.Adagrad(0.05)),
    _row("Adadelta", lambda: optimizers.Adadelta(0.5)),
    _row("Adafactor", lambda: optimizers.Adafactor(0.01)),
    _row("RMSprop, centered, momentum", lambda: optimizers.RMSprop(0.01, momentum=0.9, centered=True)),
    _row(
        "Ftrl",
        lambda: optimizers.Ftrl(0.1, l1_regularization_strength=0.001, l2_regularization_strength=0.01, beta=0.1),
    ),
    _row("Lion, weight decay", lambda: optimizers.Lion(0.01, weight_decay=0.01)),
    _row("Muon, weight decay", lambda: optimizers.Muon(0.01, weight_decay=0.01)),
    _row(
        "ScheduleFreeAdamW, warm-up",
        lambda: optimizers.ScheduleFreeAdamW(0.01, warmup_steps=3),
        note="`set_weights` makes its state a copy of the new weights, as building the optimiser does in Keras",
        since="3.14",
    ),
    _row(
        "Adam, gradient_accumulation_steps, clipnorm",
        lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2, clipnorm=0.5),
        note="every call computes a step and keeps it or not: as long as without accumulation",
    ),
    _row(
        "SGD, a schedule",
        lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)),
        note="with learning_rate=... only: the rate comes with each call, and tasks set the rate of each round",
    ),
)

SECTION = Section(
    title="Optimisers",
    module=optimizers,
    rows=ROWS,
    refused=REFUSED_OPTIMIZERS,
    helpers=frozenset({"Optimizer", "OptimizerMap", "deserialize", "get", "legacy", "schedules", "serialize"}),
    intro="Keras's own, run on the device; the learning rate comes with each call. The model has an embedding: the "
    "gradients of a word's occurrences in a batch are summed before an adaptive optimiser squares them, as on Keras's "
    "other backends; Keras on TensorFlow squares them one by one. Refused with any optimiser: `use_ema` and "
    "`loss_scale_factor`.",
)


def small_model() -> Any:
    """Three words to two numbers: an embedding, a matrix and biases, with the same weights each time."""
    keras.utils.set_random_seed(3)
    words = keras.Input((3,), dtype="int32", name="words")
    hidden = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(words))
    hidden = keras.layers.Dense(3, activation="tanh", bias_initializer="random_normal")(hidden)
    return keras.Model(words, keras.layers.Dense(2, bias_initializer="random_normal")(hidden))
