"""A Keras model with Adam, exported: the contract of trainers, and the same epochs in Keras itself."""

from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.sdk.training import LiteRtTrainer
from fieldfare.sdk.training.contract import TRAINER_CONTRACT, Subject

ROWS, BATCH, RATE = 22, 8, 0.01
DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(ROWS, 6)).astype(np.float32)
LABELS = DRAW.integers(0, 3, ROWS).astype(np.int32)


def build():
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu", name="body"), keras.layers.Dense(3, "softmax", name="head")]
    model = keras.Sequential([keras.Input((6,), name="x"), *layers])
    model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    from fieldfare.converters import export_keras

    path: Path = tmp_path_factory.mktemp("keras") / "plan.tflite"
    manifest = export_keras(build(), path, batch_size=BATCH, gradients=True)
    inputs, targets = (spec.name for spec in manifest.example_specs)
    return Subject(LiteRtTrainer, path, {inputs: X, targets: LABELS}, RATE)


@pytest.mark.parametrize("rule", TRAINER_CONTRACT, ids=lambda rule: rule.__name__)
def test_the_contract_holds_for_an_optimiser_with_a_memory(subject: Subject, rule) -> None:
    rule(subject)


def flat(model) -> np.ndarray:
    return np.concatenate([one.numpy().ravel() for one in model.trainable_variables])


@pytest.mark.parametrize("batch", [BATCH, 5])
def test_epochs_are_those_of_keras(subject: Subject, batch: int) -> None:
    model = build()
    before = flat(model)
    np.testing.assert_array_equal(subject.start(), before)
    for _ in range(3):
        for first in range(0, ROWS, batch):
            model.train_on_batch(X[first : first + batch], LABELS[first : first + batch])
    done = subject.train(subject.loaded(), local={"epochs": 3, "batch_size": batch})
    np.testing.assert_allclose(done.vector, flat(model) - before, rtol=2e-3, atol=2e-5)


def test_the_rate_of_the_task_and_steps_of_plain_sgd_are_those_of_keras(subject: Subject) -> None:
    import keras

    model = build()
    before = flat(model)
    model.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy")
    for first in range(0, ROWS, BATCH):
        model.train_on_batch(X[first : first + BATCH], LABELS[first : first + BATCH])
    local = LocalTrainingSpec(learning_rate=0.2, shuffle=False)
    arguments = {"local": local, "rng": np.random.default_rng(0), "interrupt": lambda: ""}
    done = subject.loaded().train(before, subject.examples, algorithm=Algorithm.FEDPROX, **arguments)
    np.testing.assert_allclose(done.vector, flat(model) - before, rtol=1e-3, atol=1e-5)
