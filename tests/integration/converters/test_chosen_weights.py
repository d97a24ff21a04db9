"""Plans that train a part of a model, adapters and chosen layers, and the way back to Keras."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from fieldfare.converters import check_parity, export_keras, load_weights_into_keras, plan_to_inference  # noqa: E402
from fieldfare.converters._batches import random_batches  # noqa: E402
from fieldfare.converters.models import functional_form  # noqa: E402
from fieldfare.core.errors import ModelError, WeightsError  # noqa: E402
from fieldfare.core.plans import PlanRuntime  # noqa: E402

layers = keras.layers


class Reader(keras.Model):
    """Reads a sentence: attention over words, one answer."""

    def __init__(self):
        super().__init__(name="reader")
        self.words = layers.Embedding(50, 8, name="words")
        self.attend = layers.MultiHeadAttention(2, 4, name="attend")
        self.normal = layers.LayerNormalization(name="normal")
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, ids):
        words = self.words(ids)
        return self.head(keras.ops.mean(self.normal(words + self.attend(words, words)), axis=1))


@dataclass
class Exported:
    """A subclassed model, how its plan was made, and the plan."""

    model: Any
    words: dict[str, Any]
    path: Path
    manifest: Any

    @property
    def batches(self) -> Any:
        form = functional_form(self.model, self.words["inputs"], [])
        return random_batches(form, self.manifest, steps=12, seed=4)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    keras.utils.set_random_seed(11)
    model, path = Reader(), tmp_path_factory.mktemp("plans") / "reader.tflite"
    words = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": keras.optimizers.SGD(0.5),
        "metrics": ["accuracy"],
        "inputs": keras.Input((6,), dtype="int32", name="ids"),
    }
    manifest = export_keras(model, path, batch_size=8, trainable=["lora:2", "head"], **words)
    return Exported(model, words, path, manifest)


def test_the_manifest_tells_what_trains(reader):
    manifest = reader.manifest
    assert manifest.trainable == ("lora:2", "head")
    assert manifest.name == "reader"
    assert [one.name for one in manifest.input_specs] == ["ids"]
    assert sorted(spec.name.rpartition("/")[2] for spec in manifest.weight_specs) == [
        "bias",
        "kernel",
        *["lora_a"] * 2,
        *["lora_b"] * 2,
    ]
    assert len(manifest.frozen_sha256) == 32


def test_adapters_and_head_train_as_keras_would_train_them(reader):
    report = check_parity(reader.model, reader.path, **reader.words)
    assert report.ok, report
    assert len(report.weights) + len(report.idle) == 6
    assert any(name.endswith("lora_b") for name in report.weights)


def test_an_update_is_small_and_frozen_weights_rest_in_the_plan(reader):
    assert PlanRuntime(reader.path).get_weights().size < 0.3 * reader.model.count_params()


def test_trained_adapters_come_back_to_keras_once(reader):
    runtime = PlanRuntime(reader.path)
    before = [one.numpy() for one in reader.model.weights]
    for batch in reader.batches:
        runtime.train_step(batch, learning_rate=0.5)
    vector, inputs = runtime.get_weights(), {"ids": reader.batches[0]["ids"]}
    predicted = runtime.infer(inputs)["reader"]
    try:
        load_weights_into_keras(reader.model, reader.manifest, vector, inputs=reader.words["inputs"])
        theirs = np.asarray(reader.model(inputs["ids"]))
        np.testing.assert_allclose(theirs, predicted, atol=1e-5)
        # The kernels now hold the adapters: adding them once more would be another model.
        with pytest.raises(WeightsError, match="frozen weights are not those"):
            load_weights_into_keras(reader.model, reader.manifest, vector, inputs=reader.words["inputs"])
        np.testing.assert_array_equal(np.asarray(reader.model(inputs["ids"])), theirs)
    finally:
        for one, value in zip(reader.model.weights, before, strict=True):
            one.assign(value)
    assert np.abs(np.asarray(reader.model(inputs["ids"])) - predicted).max() > 1e-3


def test_an_inference_model_holds_the_adapters(reader):
    from ai_edge_litert.interpreter import Interpreter

    runtime = PlanRuntime(reader.path)
    for batch in reader.batches[:3]:
        runtime.train_step(batch, learning_rate=0.5)
    inputs = {"ids": reader.batches[0]["ids"][:1]}
    model = plan_to_inference(reader.path.read_bytes(), runtime.get_weights())
    serve = Interpreter(model_content=model).get_signature_runner("serving_default")
    np.testing.assert_allclose(serve(**inputs)["reader"], runtime.infer(inputs)["reader"], atol=1e-5)


def test_weights_of_a_model_that_knows_no_inputs_are_refused(reader):
    with pytest.raises(ModelError, match="weights cannot be loaded"):
        load_weights_into_keras(Reader(), reader.manifest, np.zeros(1, np.float32))


def test_int8_weights_train_but_are_compared_with_nothing(reader, tmp_path):
    path = tmp_path / "small.tflite"
    large = keras.Sequential(
        [keras.Input((64,)), layers.Dense(256, activation="relu"), layers.Dense(64, name="mid"), layers.Dense(2)]
    )
    manifest = export_keras(large, path, loss="mse", trainable=["lora:2:mid", "last:1"], frozen_dtype="int8")
    assert manifest.frozen_int8
    runtime = PlanRuntime(path)
    batch = random_batches(large, manifest, steps=1, seed=0)[0]
    losses = [runtime.train_step(batch, learning_rate=0.02) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
    # The frozen kernels alone would be larger in float32.
    assert path.stat().st_size < 4 * (64 * 256 + 256 * 64)
    with pytest.raises(ModelError, match="int8 and Keras's are not"):
        check_parity(large, path, loss="mse")
