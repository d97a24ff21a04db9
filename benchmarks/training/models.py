"""The models that are measured, and examples for them. Keras is imported only where a model is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_BATCH = 16


@dataclass(frozen=True, slots=True)
class Case:
    """One model.

    Attributes:
        title: what the table says.
        build: makes the Keras model, softmax over `classes` at its end.
        shape: of one example.
        classes: how many targets there are.
        words: size of the vocabulary where the input is int32 tokens; 0 for float32 inputs.
        factor: how many times faster than Keras the plan is meant to be.
    """

    title: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    classes: int
    words: int = 0
    factor: float = 1.0


def examples(case: Case, batch: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """One batch: inputs `(batch, *shape)`, float32 or int32, and targets `(batch,)` int32."""
    draw = np.random.default_rng(0)
    size = (batch, *case.shape)
    inputs = draw.integers(0, case.words, size, np.int32) if case.words else draw.standard_normal(size, np.float32)
    return inputs, draw.integers(0, case.classes, batch, np.int32)


def _mlp() -> Any:
    import keras
    from keras import layers

    hidden = [layers.Dense(200, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10, activation="softmax")])


def _cnn() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _separable() -> Any:
    """A MobileNet without its batch normalisation: 32x32, then 16x16, then 8x8."""
    import keras
    from keras import layers

    blocks = []
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        blocks += [
            layers.DepthwiseConv2D(3, strides, padding="same", activation="relu6"),
            layers.Conv2D(filters, 1, activation="relu6"),
        ]
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(16, 3, padding="same", activation="relu6"),
            *blocks,
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _signals() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((128, 9)),
            layers.Conv1D(64, 3, activation="relu"),
            layers.Conv1D(64, 3, activation="relu"),
            layers.MaxPooling1D(),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(6, activation="softmax"),
        ]
    )


def _next_word(kind: str) -> Callable[[], Any]:
    def build() -> Any:
        import keras
        from keras import layers

        return keras.Sequential(
            [
                keras.Input((20,), dtype="int32"),
                layers.Embedding(5000, 128),
                getattr(layers, kind)(128, unroll=True),
                layers.Dense(5000, activation="softmax"),
            ]
        )

    return build


def _transformer() -> Any:
    """Two encoder layers as in "Attention is all you need", four heads, 512 wide inside; the mean over tokens."""
    import keras
    from keras import layers

    tokens = keras.Input((64,), dtype="int32")
    hidden = layers.Embedding(5000, 128)(tokens)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, 32)(hidden, hidden)
        hidden = layers.LayerNormalization()(hidden + attended)
        inner = layers.Dense(128)(layers.Dense(512, activation="relu")(hidden))
        hidden = layers.LayerNormalization()(hidden + inner)
    outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling1D()(hidden))
    return keras.Model(tokens, outputs)


CASES = {
    "mlp": Case("MLP 784-200-200-10", _mlp, (784,), 10, factor=3.0),
    "cnn": Case("CNN 28x28x1, 5x5: 16, 32", _cnn, (28, 28, 1), 10),
    "separable": Case("depthwise-separable CNN 32x32x3", _separable, (32, 32, 3), 10),
    "signals": Case("1-D CNN 128x9", _signals, (128, 9), 6),
    "gru": Case("GRU 128, 20 steps, 5,000 words", _next_word("GRU"), (20,), 5000, words=5000),
    "lstm": Case("LSTM 128, 20 steps, 5,000 words", _next_word("LSTM"), (20,), 5000, words=5000),
    "transformer": Case("Transformer, 2 layers, 64 tokens", _transformer, (64,), 10, words=5000),
}
