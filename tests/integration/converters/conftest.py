"""Plans of small models, each exported once for all tests of the session."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")

layers = keras.layers


@dataclass
class Case:
    """A model, how it is exported, and the plan."""

    model: Any
    settings: dict[str, Any]
    compiled: bool = False
    path: Path = Path()
    manifest: Any = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> bytes:
        return self.path.read_bytes()

    @property
    def words(self) -> dict[str, Any]:
        """What `check_parity` needs to know."""
        return {name: self.settings[name] for name in ("loss", "optimizer", "metrics") if name in self.settings}


def _mlp() -> Case:
    model = keras.Sequential(
        [
            keras.Input((12,), name="signal"),
            layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.Dense(16, activation="tanh"),
            layers.LayerNormalization(),
            layers.Dense(4),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    return Case(model, {"loss": loss, "optimizer": optimizer, "metrics": ["accuracy"], "batch_size": 8})


def _digits() -> Case:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Case(model, {"gradients": True}, compiled=True)


def _linear() -> Case:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    return Case(model, {"loss": "mse", "metrics": ["mae"], "learning_rate": 0.05, "batch_size": 6})


def _words() -> Case:
    ids = keras.Input((7,), dtype="int32", name="ids")
    hidden = layers.Embedding(30, 6, mask_zero=True)(ids)
    hidden = layers.GlobalAveragePooling1D()(hidden)
    model = keras.Model(ids, layers.Dense(1, activation="sigmoid")(hidden))
    return Case(model, {"loss": "binary_crossentropy", "optimizer": "adam", "metrics": ["accuracy"]})


def _frozen() -> Case:
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="base"),
            layers.BatchNormalization(name="normal"),
            layers.Dense(3, name="head"),
        ]
    )
    normal = model.get_layer("normal")
    normal.moving_mean.assign([0.1 * index for index in range(8)])
    normal.trainable = False
    model.get_layer("base").enable_lora(2)
    return Case(model, {"loss": "categorical_hinge", "learning_rate": 0.02, "batch_size": 4})


def _several() -> Case:
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    joined = layers.Concatenate()([layers.Dense(5, activation="elu")(first), second])
    amount = layers.Dense(2, name="amount")(joined)
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    model = keras.Model({"first": first, "second": second}, [amount, kind])
    loss = {"amount": "mse", "kind": "sparse_categorical_crossentropy"}
    metrics = {"kind": ["accuracy"], "amount": ["mae"]}
    return Case(model, {"loss": loss, "metrics": metrics, "optimizer": "rmsprop", "gradients": True})


def _layers() -> Case:
    model = keras.Sequential(
        [
            keras.Input((5, 6, 2)),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu6"),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="leaky_relu"),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="softsign"),
            layers.MaxPooling2D(3, strides=2),
            layers.Reshape((-1, 3)),
            layers.Conv1D(4, 2, dilation_rate=2, padding="causal"),
            layers.GRU(3, unroll=True),
            layers.Dense(2),
        ]
    )
    return Case(model, {"loss": "mae", "learning_rate": 0.02, "batch_size": 5})


def _dropout() -> Case:
    model = keras.Sequential(
        [keras.Input((20,)), layers.Dropout(0.5, name="drop"), layers.Dense(1, use_bias=False, name="sum")]
    )
    return Case(model, {"loss": "mse", "batch_size": 50})


_CASES = {
    "digits": _digits,
    "dropout": _dropout,
    "frozen": _frozen,
    "layers": _layers,
    "linear": _linear,
    "mlp": _mlp,
    "several": _several,
    "words": _words,
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Case by name; exported when it is first asked for. The models' weights are never changed."""
    from fieldfare.converters import export_keras

    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            keras.utils.set_random_seed(7)
            one = _CASES[name]()
            one.path = tmp_path_factory.mktemp("plans") / f"{name}.tflite"
            one.manifest = export_keras(one.model, one.path, **one.settings)
            made[name] = one
        return made[name]

    return case
