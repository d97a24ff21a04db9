"""From trained weights back to plans, inference models and Keras."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fieldfare.converters import export_keras, load_weights_into_keras, plan_to_inference, weights_into_plan
from fieldfare.converters._batches import random_batches
from fieldfare.core.errors import ConfigError, PlanError, WeightsError
from fieldfare.core.plans import PlanRuntime, read_manifest
from tests.parity.rows import has_keras

keras = pytest.importorskip("keras")

NAMES = ["digits", "frozen", "layers", "several", "words"]


def _trained(case):
    """The plan's weights after two steps with a large rate, and what it then predicts for some examples."""
    runtime = PlanRuntime(case.plan)
    batches = random_batches(case.model, case.manifest, steps=2, seed=5)
    for batch in batches:
        runtime.train_step(batch, learning_rate=0.05)
    inputs = {spec.name: batches[0][spec.name] for spec in case.manifest.input_specs}
    return runtime.get_weights(), inputs, runtime.infer(inputs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("whole_batch", [False, True])
def test_the_inference_model_predicts_as_the_plan_does(exported, name, whole_batch):
    case = exported(name)
    vector, inputs, expected = _trained(case)
    size = case.manifest.batch_size if whole_batch else 1
    model = plan_to_inference(case.plan, vector, batch_size=size)
    interpreter = Interpreter(model_content=model)
    assert interpreter.get_signature_list() == {
        "serving_default": {
            "inputs": sorted(inputs),
            "outputs": sorted(expected),
        }
    }
    run = interpreter.get_signature_runner()
    rows = next(iter(inputs.values())).shape[0]
    parts = [run(**{key: value[at : at + size] for key, value in inputs.items()}) for at in range(0, rows, size)]
    for key, want in expected.items():
        got = np.concatenate([part[key] for part in parts])
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    for word in (b"fieldfare.manifest", b"set_weights", b"/kernel/velocity"):
        assert word not in model
    assert len(model) < len(case.plan) / 2


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_with_trained_weights_goes_on_from_there(exported, name):
    case = exported(name)
    vector, inputs, expected = _trained(case)
    plan = weights_into_plan(case.plan, vector)
    assert read_manifest(plan) == case.manifest
    for delegates in (False, True):
        runtime = PlanRuntime(plan, delegates=delegates)
        np.testing.assert_array_equal(runtime.get_weights(), vector)
    for key, want in expected.items():
        np.testing.assert_allclose(runtime.infer(inputs)[key], want, rtol=1e-5, atol=1e-6)
    reset = PlanRuntime(case.plan)
    reset.set_weights(vector)
    batch = random_batches(case.model, case.manifest, steps=1, seed=8)[0]
    assert runtime.train_step(batch, learning_rate=0.01) == reset.train_step(batch, learning_rate=0.01)
    np.testing.assert_array_equal(runtime.get_weights(), reset.get_weights())


@pytest.mark.skipif(not has_keras("3.14"), reason="ScheduleFreeAdamW came with Keras 3.14")
def test_state_that_starts_as_a_copy_of_a_weight_starts_as_the_new_one(tmp_path):
    model, path = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), tmp_path / "plan.tflite"
    export_keras(model, path, loss="mse", optimizer=keras.optimizers.ScheduleFreeAdamW(0.01), batch_size=4)
    vector = np.arange(10, dtype=np.float32)
    runtime, reset = PlanRuntime(weights_into_plan(path.read_bytes(), vector)), PlanRuntime(path)
    reset.set_weights(vector)
    examples = {"input": np.ones((4, 4), np.float32), "label": np.zeros((4, 2), np.float32)}
    for one in (runtime, reset):
        one.train_step(examples, learning_rate=0.01)
    np.testing.assert_array_equal(runtime.get_weights(), reset.get_weights())


def test_putting_weights_in_again_does_not_grow_the_plan(exported):
    case = exported("digits")
    vector = PlanRuntime(case.plan).get_weights()
    once = weights_into_plan(case.plan, vector)
    assert abs(len(weights_into_plan(once, vector + 1)) - len(once)) < 2048


def test_weights_go_back_into_keras(exported):
    case = exported("digits")
    vector, inputs, expected = _trained(case)
    before = case.model.get_weights()
    try:
        load_weights_into_keras(case.model, case.manifest, vector)
        got = case.model.predict(inputs["image"], verbose=0)
    finally:
        case.model.set_weights(before)
    (want,) = expected.values()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_weights_that_are_not_finite_are_refused_and_change_nothing(exported):
    case = exported("linear")
    before = case.model.get_weights()
    vector = PlanRuntime(case.plan).get_weights()
    vector[2] = np.nan
    for call in (
        lambda: load_weights_into_keras(case.model, case.manifest, vector),
        lambda: weights_into_plan(case.plan, vector),
        lambda: plan_to_inference(case.plan, vector),
    ):
        with pytest.raises(WeightsError, match="not finite"):
            call()
    for one, other in zip(before, case.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_double_precision_give_the_same_models(exported):
    case = exported("linear")
    vector = PlanRuntime(case.plan).get_weights()
    for convert in (weights_into_plan, plan_to_inference):
        assert convert(case.plan, vector.astype(np.float64)) == convert(case.plan, vector)


def test_weights_of_another_model_are_refused(exported):
    case, other = exported("digits"), exported("linear")
    vector = PlanRuntime(other.plan).get_weights()
    for call in (
        lambda: load_weights_into_keras(case.model, other.manifest, vector),
        lambda: load_weights_into_keras(other.model, other.manifest, vector[:-1]),
        lambda: weights_into_plan(case.plan, vector),
        lambda: plan_to_inference(case.plan, vector),
    ):
        with pytest.raises(WeightsError):
            call()


def test_what_is_no_plan_is_refused(exported):
    plan, vector = exported("linear").plan, np.zeros(6, np.float32)
    broken = plan[:100] + bytes([plan[100] ^ 1]) + plan[101:]
    for content in (b"", b"nonsense" * 20, plan[:-10], broken, plan_to_inference(plan, vector)):
        with pytest.raises(PlanError):
            plan_to_inference(content, vector)
        with pytest.raises(PlanError):
            weights_into_plan(content, vector)
    with pytest.raises(ConfigError, match="batch_size"):
        plan_to_inference(plan, vector, batch_size=3)
