"""The models and examples of these benchmarks, the same for both sides."""

import sys
from typing import Any

import numpy as np

FEATURES, CLASSES, HIDDEN = 784, 10, 200
EXAMPLES, DEVICES, BATCH, RATE = 600, 100, 10, 0.1


def mlp() -> Any:
    """The MLP 784-200-200-10 of McMahan et al. (2017), compiled with SGD."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((FEATURES,), name="x"),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE), loss)
    return model


def flat(weights: int) -> Any:
    """A linear model of so many weights, biases included; a multiple of ten."""
    import keras

    model = keras.Sequential([keras.Input((weights // 10 - 1,), name="x"), keras.layers.Dense(10)])
    model.compile(keras.optimizers.SGD(RATE), "mean_squared_error")
    return model


def images(seed: int = 1) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Random images and labels for all devices: what they show changes nothing in the arithmetic.

    Returns:
        `(devices * examples, 784)` float32 and `(devices * examples,)` int32.
    """
    rng = np.random.default_rng(seed)
    rows = DEVICES * EXAMPLES
    return rng.random((rows, FEATURES), np.float32), rng.integers(0, CLASSES, rows, np.int32)


def main() -> None:
    """python -m benchmarks.emulator.models mlp|WEIGHTS PLAN: export one."""
    from fieldfare.converters import export_keras

    what, path = sys.argv[1:]
    export_keras(mlp() if what == "mlp" else flat(int(what)), path, batch_size=BATCH)


if __name__ == "__main__":
    main()
