"""The next-word model: an embedding, a GRU, and the embedding once more as the output layer."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from examples.keyboard.words import LENGTH, SPECIAL
from fieldfare.converters import export_keras
from fieldfare.core.plans import Manifest

BATCH_SIZE = 8
_ZIPF_OFFSET = 2.7
_NEVER = -12.0


@keras.saving.register_keras_serializable("fieldfare.keyboard")
class WordFrequency(keras.layers.Layer):  # type: ignore[misc]
    """Adds a trainable bias for each id, which begins with Zipf's law.

    The vocabulary is sorted by frequency, and the word of rank r is about `1 / (r + 2.7)` times as frequent as the
    first (Mandelbrot 1953): that much is known of any text, so that no round is spent on learning it.
    """

    def build(self, shape: tuple[Any, ...]) -> None:
        """Make the bias for the last axis."""
        start = np.full(shape[-1], _NEVER, np.float32)
        start[SPECIAL:] = -np.log(np.arange(shape[-1] - SPECIAL) + 1 + _ZIPF_OFFSET)
        # A message ends, and words are unknown, about as often as the most frequent word is said.
        start[1:SPECIAL] = start[SPECIAL]
        self.bias = self.add_weight(
            name="bias", shape=(shape[-1],), initializer=lambda *_args, **_options: keras.ops.convert_to_tensor(start)
        )

    def call(self, logits: Any) -> Any:
        """`(..., ids)` to the same."""
        return logits + self.bias


def build_model(ids: int, *, seed: int, width: int) -> Any:
    """The model for so many ids: "ids" `(LENGTH,)` int32 to logits `(LENGTH, ids)`; padding is masked.

    The output layer shares the embedding's table (Press and Wolf 2017): half of the weights need not travel.
    """
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((LENGTH,), dtype="int32", name="ids")
    table = layers.ReversibleEmbedding(ids, width, mask_zero=True, name="words")
    state = layers.GRU(width, return_sequences=True, name="state")(table(inputs))
    return keras.Model(inputs, WordFrequency(name="frequency")(table(state, reverse=True)), name="next_word")


def loss() -> Any:
    """Cross-entropy of the next word, of which there is one for each place that is not padding."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def export_plan(model: Any, path: Path, *, learning_rate: float, optimizer: str = "sgd") -> Manifest:
    """Export it as a plan."""
    return export_keras(
        model,
        path,
        loss=loss(),
        metrics=["accuracy"],
        optimizer=optimizer,
        learning_rate=learning_rate,
        batch_size=BATCH_SIZE,
    )
