"""Optimisers train in a plan as they do in Keras, or are refused with a way round."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from fieldfare.converters import check_parity, export_keras  # noqa: E402
from fieldfare.core.plans import PlanRuntime  # noqa: E402
from fieldfare.core.weights import split_vector  # noqa: E402
from tests.parity.optimizers import ROWS, small_model  # noqa: E402
from tests.parity.rows import available, has_keras  # noqa: E402

_RATE = 0.02


@pytest.mark.parametrize("row", available(ROWS), ids=lambda row: row.name)
def test_five_steps(row, tmp_path):
    model, path = small_model(), tmp_path / "plan.tflite"
    scheduled = {"learning_rate": _RATE} if "schedule" in row.name else {}
    export_keras(model, path, loss="mse", optimizer=row.make(), batch_size=4, **scheduled)
    report = check_parity(model, path, loss="mse", optimizer=row.make())
    assert report.ok, report
    assert report.steps == 5
    assert not report.idle
    # The iteration at least.
    assert report.state
    assert check_parity(model, path, loss="mse", optimizer=row.make(), steps=2, delegates=False).ok


@pytest.mark.skipif(not has_keras("3.14"), reason="ScheduleFreeAdamW came with Keras 3.14")
def test_new_weights_put_the_state_back(tmp_path):
    model, path = small_model(), tmp_path / "plan.tflite"
    optimizer = keras.optimizers.ScheduleFreeAdamW(0.01, gradient_accumulation_steps=2)
    export_keras(model, path, loss="mse", optimizer=optimizer, batch_size=4)
    draw = np.random.default_rng(6)
    batch = {
        "words": draw.integers(0, 5, (3, 3)).astype(np.int32),
        "label": draw.standard_normal((3, 2), np.float32),
    }
    runtime = PlanRuntime(path)
    start = runtime.get_weights()
    others = start + np.float32(0.5)
    runtime.set_weights(others)
    state = runtime.get_state()
    specs = [one.spec for one in runtime.manifest.weights]
    for name, value in split_vector(specs, others).items():
        np.testing.assert_array_equal(state[f"{name.replace('/', '_')}_momentum"], value)
    losses = [runtime.train_step(batch, learning_rate=0.01) for _ in range(4)]
    # The second step moves the weights, the first only remembers.
    assert losses[0] == losses[1] > losses[2] == losses[3]
    runtime.set_weights(start)
    for name, value in runtime.get_state().items():
        if not name.endswith("momentum"):
            assert not np.any(value), name


@pytest.mark.parametrize("rule", ["adam", "sgd"])
def test_training_goes_on_from_weights_and_state_with_the_same_bits(tmp_path, rule):
    """Dropout too draws the same: its phase is the optimiser's iteration."""
    layers = [keras.Input((6,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dropout(0.5)]
    model, path = keras.Sequential([*layers, keras.layers.Dense(2)]), tmp_path / "plan.tflite"
    optimizer = keras.optimizers.Adam(0.01) if rule == "adam" else keras.optimizers.SGD(0.01, momentum=0.9)
    export_keras(model, path, loss="mse", optimizer=optimizer, batch_size=4)
    draw = np.random.default_rng(6)
    batches = [
        {"features": draw.standard_normal((4, 6), np.float32), "label": draw.standard_normal((4, 2), np.float32)}
        for _ in range(5)
    ]
    name = PlanRuntime(path).manifest.input_specs[0].name
    batches = [{name: one["features"], "label": one["label"]} for one in batches]
    through = PlanRuntime(path)
    for batch in batches:
        through.train_step(batch, learning_rate=0.01)
    first, second = PlanRuntime(path), PlanRuntime(path)
    for batch in batches[:2]:
        first.train_step(batch, learning_rate=0.01)
    assert second.has_settable_state
    second.set_weights(first.get_weights())
    second.set_state(first.get_state())
    for batch in batches[2:]:
        second.train_step(batch, learning_rate=0.01)
    np.testing.assert_array_equal(second.get_weights(), through.get_weights())
    for key, value in through.get_state().items():
        np.testing.assert_array_equal(second.get_state()[key], value)
