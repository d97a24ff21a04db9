"""The same model where all the data is in one place: what the federation is compared with."""

from collections.abc import Callable
from typing import Any

import keras

from examples.keyboard.model import loss
from fieldfare.core.plans import Examples

LEARNING_RATE = 0.003
BATCH_SIZE = 64


def _tell_nobody(_epoch: int) -> None:
    """Where nobody asks how it goes."""


def train_central(
    model: Any, examples: Examples, *, epochs: int, on_epoch: Callable[[int], None] = _tell_nobody
) -> None:
    """Train the Keras model with Adam, shuffled by the seed that the model was built with."""
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss())
    tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _logs: on_epoch(epoch + 1))
    model.fit(
        examples["ids"],
        examples["label"],
        batch_size=BATCH_SIZE,
        epochs=epochs,
        shuffle=True,
        verbose=0,
        callbacks=[tell],
    )
