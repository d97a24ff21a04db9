"""The activity model: a small 1-D CNN with its input standardised inside."""

from pathlib import Path
from typing import Any

from examples.raspberry_pi.activity import ACTIVITIES, BATCH_SIZE, CHANNELS, INPUT, LEARNING_RATE, WINDOW
from fieldfare.core.plans import Manifest

_MEANS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.8, 0.0, 0.1)
_DEVIATIONS = (0.2, 0.12, 0.1, 0.4, 0.37, 0.25, 0.41, 0.4, 0.34)
"""Of `CHANNELS`, in g and rad/s: round figures of how people wear such a sensor at the waist. No device is asked."""


def build_model(seed: int = 1) -> Any:
    """Two convolutions over time and two dense layers; 24,326 weights, logits of the activities; compiled with SGD."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((WINDOW, len(CHANNELS)), name=INPUT)
    hidden = layers.Normalization(mean=_MEANS, variance=[one**2 for one in _DEVIATIONS])(inputs)
    # People carry themselves differently: without it the posture of 21 is learnt by heart.
    hidden = layers.GaussianNoise(0.6)(hidden)
    for filters, width in ((24, 9), (32, 7)):
        hidden = layers.Conv1D(filters, width, strides=2, padding="same")(hidden)
        # Of one window alone: statistics of a batch would be those of one person.
        hidden = layers.GroupNormalization(8)(hidden)
        hidden = layers.MaxPooling1D(2)(layers.ReLU()(hidden))
    hidden = layers.Dropout(0.5)(layers.Flatten()(hidden))
    hidden = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(hidden))
    model = keras.Model(inputs, layers.Dense(len(ACTIVITIES))(hidden), name="activity")
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def export_plan(path: Path, seed: int = 1) -> Manifest:
    """Export the model as a plan that devices train.

    Raises:
        StorageError: `path` cannot be written.
    """
    from fieldfare.converters import export_keras

    return export_keras(build_model(seed), path, batch_size=BATCH_SIZE)
