"""The demo's data and model: scikit-learn's handwritten digits (1,797 images of 8x8) and a small CNN."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.plans import Examples, Manifest, take_rows
from fieldfare.emulator.partition import dirichlet_partition

CLASSES = 10
INPUT, TARGET = "image", "label"
BATCH_SIZE = 16
LEARNING_RATE = 0.15
MIN_EXAMPLES = 14
"""Of a device, so that it holds out at least two: fewer are not evaluated."""
_LARGEST_PIXEL = 16.0


@dataclass(frozen=True, slots=True)
class DigitsSplit:
    """Who holds what.

    Attributes:
        devices: the examples of each device: "image" `(n, 8, 8, 1)` float32 in [0, 1], "label" `(n,)` int32.
        test: digits that are on no device.
    """

    devices: tuple[Examples, ...]
    test: Examples

    def label_counts(self) -> NDArray[np.int64]:
        """`(devices, 10)`: how many examples of each digit a device holds."""
        return np.stack([np.bincount(one[TARGET], minlength=CLASSES) for one in self.devices])


def split_digits(*, devices: int, alpha: float, test_share: float, seed: int) -> DigitsSplit:
    """Load the digits, put a share of each digit aside for the test, spread the rest by Dirichlet(alpha)."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    examples = {
        INPUT: (digits.images[..., np.newaxis] / _LARGEST_PIXEL).astype(np.float32),
        TARGET: digits.target.astype(np.int32),
    }
    labels = examples[TARGET]
    rows, test = train_test_split(np.arange(len(labels)), test_size=test_share, stratify=labels, random_state=seed)
    parts = dirichlet_partition(
        labels[rows], devices, alpha=alpha, rng=np.random.default_rng(seed), min_examples=MIN_EXAMPLES
    )
    return DigitsSplit(tuple(take_rows(examples, rows[part]) for part in parts), take_rows(examples, np.sort(test)))


def build_model(seed: int) -> Any:
    """A small CNN for 8x8 digits: two convolutions, 13,706 weights, logits of ten classes."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name=INPUT),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(CLASSES),
        ],
        name="digits_cnn",
    )


def export_plan(path: Path, seed: int) -> Manifest:
    """Build the model and export it as a trainable plan."""
    import keras

    from fieldfare.converters import export_keras

    return export_keras(
        build_model(seed),
        path,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer="sgd",
        learning_rate=LEARNING_RATE,
        metrics=["accuracy"],
        batch_size=BATCH_SIZE,
    )
