"""An encoder with LoRA, as large models are trained, in a small size: frozen weights once, float32 and int8."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.converters._flatbuffer import initial_assignments, parse
from fieldfare.core.plans import Manifest, PlanRuntime

keras = pytest.importorskip("keras")

layers, ops = keras.layers, keras.ops

# The kernels of the inner layers are large enough to be read in place, the others are not.
WORDS, TOKENS, WIDTH, HEADS, HIDDEN, BATCH = 200, 16, 128, 4, 512, 2
DTYPES = ("float32", "int8")


@dataclass(frozen=True)
class Exported:
    path: Path
    manifest: Manifest
    model: Any


def _attention(x, name):
    def heads(part):
        dense = layers.Dense(WIDTH, name=f"{name}_{part}")(x)
        return layers.Permute((2, 1, 3))(layers.Reshape((TOKENS, HEADS, WIDTH // HEADS))(dense))

    query, key, value = heads("query"), heads("key"), heads("value")
    scores = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * (WIDTH // HEADS) ** -0.5)
    mixed = layers.Permute((2, 1, 3))(ops.matmul(scores, value))
    return layers.Dense(WIDTH, name=f"{name}_mixed")(layers.Reshape((TOKENS, WIDTH))(mixed))


def _encoder():
    keras.utils.set_random_seed(3)
    ids = keras.Input((TOKENS,), dtype="int32", name="ids")
    x = layers.LayerNormalization()(layers.Embedding(WORDS, WIDTH, name="words")(ids))
    for index in range(2):
        x = layers.LayerNormalization()(x + _attention(x, f"layer{index}"))
        up = ops.gelu(layers.Dense(HIDDEN, name=f"layer{index}_up")(x), approximate=True)
        x = layers.LayerNormalization()(x + layers.Dense(WIDTH, name=f"layer{index}_down")(up))
    return keras.Model(ids, layers.Dense(2, activation="softmax", name="head")(x[:, 0]), name="encoder")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    from fieldfare.converters import export_keras

    plans = {}
    for dtype in DTYPES:
        path, model = tmp_path_factory.mktemp("large") / f"{dtype}.tflite", _encoder()
        manifest = export_keras(
            model,
            path,
            loss="sparse_categorical_crossentropy",
            batch_size=BATCH,
            trainable=["lora:4:*_query", "lora:4:*_value", "head"],
            frozen_dtype=dtype,
        )
        plans[dtype] = Exported(path, manifest, model)
    return plans


def _examples() -> dict[str, np.ndarray]:
    """Which half of the words an example is drawn from."""
    label = np.arange(BATCH, dtype=np.int32) % 2
    words = np.random.default_rng(0).integers(0, WORDS // 2, (BATCH, TOKENS)) + label[:, None] * (WORDS // 2)
    return {"ids": words.astype(np.int32), "label": label}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_loss_falls(exported, dtype):
    runtime = PlanRuntime(exported[dtype].path)
    losses = [runtime.train_step(_examples(), learning_rate=0.02) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.5 * losses[0]


def test_int8_is_near_float32(exported):
    losses, steps = [], []
    for dtype in DTYPES:
        runtime = PlanRuntime(exported[dtype].path)
        before = runtime.get_weights()
        losses.append(runtime.train_step(_examples(), learning_rate=0.02))
        steps.append(runtime.get_weights() - before)
    exact, rounded = steps
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert np.linalg.norm(rounded - exact) < 0.15 * np.linalg.norm(exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_signatures_agree_with_each_other(exported, dtype):
    """The forward pass of training rounds, where it is int8, otherwise than that of predictions."""
    runtime = PlanRuntime(exported[dtype].path)
    evaluated = runtime.evaluate_step(_examples())["loss"].mean
    trained = runtime.train_step(_examples(), learning_rate=0.02)
    assert trained == pytest.approx(evaluated, rel=0.05 if dtype == "int8" else 1e-5)


def test_each_frozen_kernel_lies_in_the_plan_once(exported):
    plan = exported["float32"].path.read_bytes()
    for name in ("layer0_up", "layer1_up", "layer1_down", "layer1_key", "layer1_mixed"):
        kernel = exported["float32"].model.get_layer(name).kernel.numpy()
        assert plan.count(kernel.tobytes()) + plan.count(kernel.T.tobytes()) == 1, name


def test_int8_plans_hold_no_frozen_kernel_or_table_in_float32(exported):
    plan, model = exported["int8"].path.read_bytes(), exported["int8"].model
    for name in ("layer0_query", "layer0_up", "layer1_down"):
        kernel = model.get_layer(name).kernel.numpy()
        assert plan.count(kernel.tobytes()) + plan.count(kernel.T.tobytes()) == 0, name
    assert model.get_layer("words").embeddings.numpy().tobytes() not in plan
    sizes = {dtype: exported[dtype].path.stat().st_size for dtype in DTYPES}
    assert sizes["int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_what_trains_is_a_variable_and_travels(exported, dtype):
    case = exported[dtype]
    names = set(initial_assignments(parse(case.path.read_bytes())))
    frozen = {one.path for layer in case.model.layers for one in layer.variables if "head" not in one.path}
    assert not names & frozen
    assert sum(spec.size for spec in case.manifest.weight_specs) == 2 * 2 * 2 * 4 * WIDTH + 2 * WIDTH + 2


def test_a_frozen_row_of_all_but_zeros_is_one_of_zeros(tmp_path):
    from fieldfare.converters import export_keras

    kernel = np.random.default_rng(0).standard_normal((64, 64), np.float32)
    kernel[:, 5] = 1e-42
    base = layers.Dense(64, name="base")
    model = keras.Sequential([keras.Input((64,)), base, layers.Dense(2)])
    base.kernel.assign(kernel)
    path = tmp_path / "plan.tflite"
    export_keras(model, path, loss="mse", trainable=1, frozen_dtype="int8", batch_size=2)
    inputs = np.ones((2, 64), np.float32)
    (outputs,) = PlanRuntime(path).infer({"input": inputs}).values()
    np.testing.assert_allclose(outputs, model.predict(inputs, verbose=0), atol=0.3)
