"""Rows about whole models: each is exported by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers, ops

from tests.parity.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Row):
    """A row that is a model.

    Attributes:
        build: makes the model.
        inputs: what a subclassed model takes.
        trainable: as `export_keras` takes it.
        losses: as `export_keras` takes them.
        trained: how many weights train.
        idle: how the paths of weights end whose true gradient is zero.
    """

    build: Callable[[], Any]
    inputs: Any = None
    trainable: Any = None
    losses: Any = "mse"
    trained: int
    idle: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


class Forecast(keras.Model):
    """A subclassed model of two named inputs and two named outputs, with a block of its own inside."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = layers.GRU(3)
        self.block = Block()
        self.amount, self.kind = layers.Dense(1), layers.Dense(3, activation="softmax")

    def call(self, inputs: Any) -> Any:
        both = ops.concatenate([self.memory(inputs["series"]), inputs["extra"]], axis=-1)
        hidden = self.block(both)
        return {"amount": self.amount(hidden), "kind": self.kind(hidden)}


class Block(layers.Layer):
    """Two layers and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.normal = layers.Dense(5, activation="relu"), layers.LayerNormalization()

    def build(self, shape: Any) -> None:
        self.inner.build(shape)
        self.normal.build((*shape[:-1], 5))

    def call(self, inputs: Any) -> Any:
        return self.normal(self.inner(inputs)) + inputs


def _encoder() -> Any:
    words = keras.Input((4,), dtype="int32", name="words")
    hidden = layers.Embedding(7, 4, embeddings_initializer="orthogonal", name="table")(words)
    seen = layers.MultiHeadAttention(2, 2, name="attention")(hidden, hidden)
    hidden = layers.LayerNormalization(name="normal")(layers.Add()([hidden, seen]))
    hidden = layers.GlobalAveragePooling1D()(hidden)
    return keras.Model(words, layers.Dense(2, name="head")(hidden))


def _stack() -> Any:
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4, activation="relu", name="first"),
            layers.BatchNormalization(name="normal"),
            layers.Dense(3, activation="tanh", name="second"),
            layers.Dense(1, name="third"),
        ]
    )


ROWS = (
    Whole(
        name="a subclassed model, several named inputs and outputs",
        build=Forecast,
        inputs={"series": (3, 2), "extra": (2,)},
        losses={"amount": "mse", "kind": "sparse_categorical_crossentropy"},
        trained=11,
    ),
    Whole(
        name='a pattern of layers and adapters, trainable=["head", "lora:2"]',
        build=_encoder,
        trainable=["head", "lora:2"],
        trained=6,
        note="adapters are A and B of the LoRA paper beside the frozen kernel, not Keras's enable_lora",
    ),
    Whole(
        name='the last layers, trainable="last:2"',
        build=_stack,
        trainable="last:2",
        trained=4,
        note="the batch normalisation before them is frozen",
    ),
)
