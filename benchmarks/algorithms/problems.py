"""What the algorithms are compared on: two fleets whose devices are unlike each other, each after a paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """A fleet and its examples.

    Attributes:
        summary: what it is, for the report.
        prepare: writes `data.npz` and `plan.tflite` into a folder.
        scenario: settings beside plan, data and seed, as in a scenario's file; its rounds are those of a whole run.
        client_rates: learning rates on the device that are tried.
        server_rates: of the adaptive server optimisers.
        target: accuracy to which rounds are counted.
        published: names of contenders, and the settings with which a paper compares them; FedAvg first.
    """

    summary: str
    prepare: Callable[[Path], None]
    scenario: Mapping[str, Any]
    client_rates: tuple[float, ...]
    server_rates: tuple[float, ...]
    target: float
    published: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    @property
    def rounds(self) -> int:
        """Training rounds of a whole run."""
        return int(self.scenario["task"]["rounds"])


def softmax_regression(features: int, classes: int) -> Any:
    """Logits that are linear in the features; all weights begin at zero, as in Li et al. 2020."""
    import keras

    layers = [keras.Input((features,), name="x"), keras.layers.Dense(classes, kernel_initializer="zeros")]
    return keras.Sequential(layers, name="softmax")


def multilayer_perceptron(features: int, classes: int) -> Any:
    """One hidden layer of 32."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((features,), name="x"), layers.Dense(32, activation="relu"), layers.Dense(classes)], name="mlp"
    )


def write(folder: Path, model: Any, **arrays: NDArray[Any]) -> None:
    """Write `data.npz` and `plan.tflite` for integer labels."""
    import keras

    from fieldfare.converters import export_keras

    np.savez(folder / "data.npz", **arrays)
    export_keras(
        model,
        folder / "plan.tflite",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer="sgd",
        metrics=["accuracy"],
        learning_rate=0.1,
        batch_size=BATCH_SIZE,
        gradients=True,
    )


def _digits(folder: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, label = (digits.data / 16.0).astype(np.float32), digits.target.astype(np.int32)
    write(folder, multilayer_perceptron(64, 10), x=x, label=label)


def _synthetic(folder: Path) -> None:
    x, label, device = synthetic(30, alpha=1.0, beta=1.0, rng=np.random.default_rng(2020))
    write(folder, softmax_regression(60, 10), x=x, label=label, device=device)


def synthetic(
    devices: int, *, alpha: float, beta: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """Synthetic(alpha, beta) of Li et al. 2020, section 5.1: each device has a model and inputs of its own.

    `y = argmax(W_k x + b_k)` with `W_k, b_k ~ N(u_k, 1)`, `u_k ~ N(0, alpha)`, `x ~ N(v_k, S)`, `v_k ~ N(B_k, 1)`,
    `B_k ~ N(0, beta)` and S diagonal with `j^-1.2`. Sizes are log-normal as in the paper, but end at 400.

    Returns:
        Inputs `(n, 60)`, labels `(n,)` of ten, and the device of each example `(n,)`.
    """
    features, classes = 60, 10
    deviations = np.arange(1, features + 1) ** -0.6
    parts = []
    for device in range(devices):
        count = 50 + min(int(rng.lognormal(4, 2)), 350)
        u, middle = rng.normal(0, alpha), rng.normal(0, beta)
        weights, bias = rng.normal(u, 1, (features, classes)), rng.normal(u, 1, classes)
        x = rng.normal(rng.normal(middle, 1, features), deviations, (count, features))
        parts.append((x, (x @ weights + bias).argmax(axis=1), np.full(count, device)))
    x, label, device = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x.astype(np.float32), label.astype(np.int32), device.astype(np.int64)


def _scenario(partition: dict[str, Any], *, rounds: int, cohort: int, epochs: int) -> dict[str, Any]:
    return {
        "longest": "1d",
        "partition": {"held_out_share": 0.2, **partition},
        "fleet": {"examples_per_s": 10.0},
        "engine": {"workers": 1},
        "task": {
            "rounds": rounds,
            "evaluate_every": 0,
            "training": {"goal_count": cohort, "over_selection": 1.0, "report_timeout": "86400s"},
            "local": {"epochs": epochs},
        },
    }


PROBLEMS: dict[str, Problem] = {
    "labels": Problem(
        "Handwritten digits, sorted by label and cut: each of 40 devices knows one digit, 8 train in a round",
        _digits,
        _scenario({"kind": "shards", "devices": 40, "shards_per_device": 1}, rounds=60, cohort=8, epochs=5),
        client_rates=(0.03, 0.1, 0.3),
        server_rates=(0.01, 0.03, 0.1),
        target=0.80,
    ),
    "synthetic": Problem(
        "Synthetic(1, 1): each of 30 devices has inputs and a truth of its own, 10 train in a round",
        _synthetic,
        _scenario({"kind": "column"}, rounds=40, cohort=10, epochs=10),
        client_rates=(0.003, 0.01, 0.03),
        server_rates=(0.01, 0.03, 0.1),
        target=0.75,
        # Li et al. 2020, appendix C: one learning rate for all, and the mu that is best for this data.
        published=(
            ("FedAvg", {"task.local.learning_rate": 0.01, "task.aggregation.server_learning_rate": 1.0}),
            ("FedProx", {"task.local.learning_rate": 0.01, "task.local.proximal_mu": 1.0}),
        ),
    ),
}
