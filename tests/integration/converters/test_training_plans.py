"""Plans on the real LiteRT runtime: they train as Keras does."""

import keras
import numpy as np
import pytest

from fieldfare.converters import check_parity, export_keras
from fieldfare.converters._batches import random_batches
from fieldfare.core.errors import ModelError, PlanError, WeightsError
from fieldfare.core.plans import PlanRuntime, check_examples, read_manifest, runtime_version

TRAINED = ["digits", "frozen", "layers", "linear", "mlp", "several", "words"]


def _batches(case, steps=4, seed=3):
    return random_batches(case.model, case.manifest, steps=steps, seed=seed)


@pytest.mark.parametrize("name", TRAINED)
def test_five_steps_are_keras_steps(exported, name):
    case = exported(name)
    report = check_parity(case.model, case.path, steps=5, **case.words)
    assert report.steps == 5
    assert set(report.weights) == {spec.name for spec in case.manifest.weight_specs}
    assert report.ok, report


def test_parity_holds_without_delegates(exported):
    case = exported("digits")
    report = check_parity(case.model, case.plan, delegates=False)
    assert report.ok, report


def test_parity_notices_another_loss_optimizer_and_weights(exported):
    case = exported("linear")
    assert not check_parity(case.model, case.path, loss="mae", metrics=["mae"]).ok
    assert not check_parity(case.model, case.path, loss="mse", metrics=["mse"]).ok
    assert not check_parity(case.model, case.path, loss="mse", metrics=["mae"], optimizer="adam").ok
    with pytest.raises(ModelError, match="the plan has the metrics mae: give the same"):
        check_parity(case.model, case.path, loss="mse")
    other = keras.models.clone_model(case.model)
    other.set_weights([one + 1 for one in case.model.get_weights()])
    with pytest.raises(WeightsError, match="not those of the plan"):
        check_parity(other, case.path, loss="mse")


@pytest.mark.parametrize("seed", [0, 2])
def test_a_bias_before_a_normalisation_is_not_compared(tmp_path, seed):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(4, 3, name="blind"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    words = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam"}
    export_keras(model, tmp_path / "plan.tflite", **words)
    report = check_parity(model, tmp_path / "plan.tflite", **words)
    assert report.ok, report
    assert [name.rpartition("blind/")[2] for name in report.idle] == ["bias"]


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="lost")])
    model.get_layer("lost").kernel.assign([[np.nan], [1.0]])
    with pytest.raises(ModelError, match="lost/kernel' holds NaN"):
        export_keras(model, tmp_path / "plan.tflite", loss="mse")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_frozen_weights_that_are_no_numbers_are_refused(tmp_path, dtype):
    base = keras.layers.Dense(64, name="base")
    model = keras.Sequential([keras.Input((64,)), base, keras.layers.Dense(1)])
    base.kernel.assign(np.full((64, 64), np.inf))
    with pytest.raises(ModelError, match="base/kernel' holds NaN"):
        export_keras(model, tmp_path / "plan.tflite", loss="mse", trainable=1, frozen_dtype=dtype)
    assert not list(tmp_path.iterdir())


def test_a_plan_says_where_it_departs_from_keras(exported):
    assert any("embedding" in note for note in exported("words").manifest.notes)
    assert exported("mlp").manifest.notes == ()


def test_parity_leaves_the_model_as_it_was(exported):
    case = exported("mlp")
    before = case.model.get_weights()
    check_parity(case.model, case.path, steps=2, **case.words)
    for one, other in zip(before, case.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_manifest_says_what_the_plan_is(exported):
    case = exported("digits")
    manifest = read_manifest(case.plan)
    assert manifest == case.manifest
    assert (manifest.name, manifest.batch_size, manifest.optimizer, manifest.has_gradients) == (
        "digits",
        16,
        "adam",
        True,
    )
    assert manifest.learning_rate == pytest.approx(0.002)
    assert manifest.loss == "sparse_categorical_crossentropy"
    assert manifest.metric_names == ("loss", "accuracy")
    assert [(one.name, one.dtype, one.shape) for one in manifest.example_specs] == [
        ("image", "float32", (8, 8, 1)),
        ("label", "int32", ()),
    ]
    assert [(spec.name, spec.shape) for spec in manifest.weight_specs] == [
        (one.path, tuple(one.shape)) for one in case.model.trainable_variables
    ]
    assert manifest.tried_on == (runtime_version(),)
    assert [one.split()[0] for one in manifest.made_with] == ["fieldfare", "tensorflow", "keras"]


def test_names_of_several_inputs_and_outputs(exported):
    manifest = exported("several").manifest
    assert {spec.name for spec in manifest.input_specs} == {"first", "second"}
    assert [one.spec.name for one in manifest.outputs] == ["amount", "kind"]
    assert {spec.name for spec in manifest.example_specs} >= {"first", "second"}
    assert [(one.spec.dtype, one.spec.shape) for one in manifest.targets] == [("float32", (2,)), ("int32", ())]
    assert set(manifest.metric_names) == {"loss", "kind_accuracy", "amount_mae"}


def test_outputs_go_by_their_keys_and_a_shared_layer_may_make_several(tmp_path):
    first, second, shared = keras.Input((4,)), keras.Input((4,)), keras.layers.Dense(2, name="shared")
    twice = keras.Model([first, second], [shared(first), shared(second)])
    keyed = keras.Model(first, {"b": keras.layers.Dense(2)(first), "a": keras.layers.Dense(3)(first[..., ::-1])})
    for model, loss, names in (
        (twice, ["mse", "mae"], ["shared", "shared_1"]),
        (keyed, {"a": "mae", "b": "mse"}, ["a", "b"]),
    ):
        manifest = export_keras(model, tmp_path / "plan.tflite", loss=loss, batch_size=4)
        assert [one.spec.name for one in manifest.outputs] == [one.spec.name for one in manifest.targets] == names
        report = check_parity(model, tmp_path / "plan.tflite", loss=loss)
        assert report.ok, report


def test_frozen_weights_do_not_travel(exported):
    case = exported("frozen")
    names = [spec.name for spec in case.manifest.weight_specs]
    assert len(names) == len(case.model.trainable_variables)
    assert not [name for name in names if "normal" in name or name.endswith("base/kernel")]
    assert any("lora" in name for name in names)


@pytest.mark.parametrize("name", ["digits", "linear", "mlp", "several", "words"])
def test_evaluation_sums_are_keras_means(exported, name):
    case = exported(name)
    runtime = PlanRuntime(case.plan)
    batch = _batches(case)[-1]
    rows = check_examples(case.manifest.example_specs, batch)
    sums = runtime.evaluate_step(batch)
    reference = case.model
    if not case.compiled:
        reference = keras.models.clone_model(case.model)
        reference.set_weights(case.model.get_weights())
        reference.compile(loss=case.settings["loss"], metrics=case.settings["metrics"])
    inputs = {spec.name: batch[spec.name] for spec in case.manifest.input_specs}
    targets = [batch[one.spec.name] for one in case.manifest.targets]
    single_input = inputs if name == "several" else next(iter(inputs.values()))
    expected = reference.evaluate(
        single_input, targets[0] if len(targets) == 1 else targets, batch_size=64, verbose=0, return_dict=True
    )
    assert all(one.weight == rows for one in sums.values())
    for metric, value in sums.items():
        assert value.mean == pytest.approx(expected[metric], rel=1e-5), metric


@pytest.mark.parametrize("name", ["digits", "several"])
def test_gradients_are_those_of_the_step(exported, name):
    case = exported(name)
    runtime = PlanRuntime(case.plan)
    batch = _batches(case)[-1]
    before = runtime.get_weights()
    gradient, loss = runtime.gradients_step(batch)
    np.testing.assert_array_equal(runtime.get_weights(), before)
    again, _ = runtime.gradients_step(batch)
    np.testing.assert_array_equal(gradient, again)
    assert loss == pytest.approx(runtime.evaluate_step(batch)["loss"].mean, rel=1e-5)
    assert np.abs(gradient).max() > 0
    # Downhill: a small step along the gradient lowers the loss by about its squared length.
    small = np.float32(1e-3 / np.square(gradient).sum())
    runtime.set_weights(before - small * gradient)
    assert runtime.evaluate_step(batch)["loss"].mean == pytest.approx(loss - 1e-3, abs=2e-4)


def test_a_short_batch_does_not_depend_on_its_padding(exported):
    case = exported("linear")
    full = _batches(case)[0]
    runtime = PlanRuntime(case.plan)
    start = runtime.get_weights()
    halves = []
    for rows in (slice(0, 2), slice(2, 6), slice(0, 6)):
        runtime.set_weights(start)
        runtime.train_step({name: array[rows] for name, array in full.items()}, learning_rate=0.5)
        halves.append(runtime.get_weights() - start)
    np.testing.assert_allclose(halves[2], (2 * halves[0] + 4 * halves[1]) / 6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "digits"])
def test_optimizer_state_lasts_and_set_weights_resets_it(exported, name):
    case = exported(name)
    batch = _batches(case)[0]
    runtime = PlanRuntime(case.plan)
    start = runtime.get_weights()

    def steps(count):
        moved = []
        for _ in range(count):
            before = runtime.get_weights()
            runtime.train_step(batch, learning_rate=0.01)
            moved.append(runtime.get_weights() - before)
        return moved

    first = steps(3)
    runtime.set_weights(start)
    second = steps(3)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    # From the same weights, a step with what the first one left in the optimiser is not one without it.
    runtime.set_weights(start + first[0])
    (without,) = steps(1)
    assert np.abs(without - first[1]).max() > 1e-5


def test_the_learning_rate_comes_with_the_call(exported):
    case = exported("linear")
    batch = _batches(case)[0]
    runtime = PlanRuntime(case.plan)
    start = runtime.get_weights()
    moved = []
    for rate in (0.1, 0.2):
        runtime.set_weights(start)
        runtime.train_step(batch, learning_rate=rate)
        moved.append(runtime.get_weights() - start)
    np.testing.assert_allclose(moved[1], 2 * moved[0], rtol=1e-4, atol=1e-7)


def test_dropout_masks_are_fresh_fair_and_repeatable(exported):
    case = exported("dropout")
    runtime = PlanRuntime(case.plan)
    batch = {"input": np.ones((50, 20), np.float32), "label": np.zeros((50, 1), np.float32)}
    weights = np.ones(20, np.float32)
    runtime.set_weights(weights)
    # All weights are one, so loss = mean((2 * kept)^2), kept ~ Binomial(20, 1/2): 4 * (100 + 5) = 420.
    losses = [runtime.train_step(batch, learning_rate=1e-12) for _ in range(40)]
    # Some of 40 such sums of squares may well be equal; all would be if the mask stayed.
    assert len(set(losses)) > 30
    assert np.mean(losses) == pytest.approx(420, rel=0.04)
    runtime.set_weights(weights)
    assert [runtime.train_step(batch, learning_rate=1e-12) for _ in range(40)] == losses
    other = {**batch, "input": batch["input"] * np.float32(1.001)}
    runtime.set_weights(weights)
    assert runtime.train_step(other, learning_rate=1e-12) != pytest.approx(losses[0] * 1.001**2, rel=1e-5)
    assert runtime.evaluate_step(batch)["loss"].mean == pytest.approx(400, rel=1e-5)
    assert "drop" in case.manifest.notes[0]
    with pytest.raises(ModelError, match="other numbers"):
        check_parity(case.model, case.path, loss="mse")


def test_a_damaged_plan_is_refused(exported):
    plan = bytearray(exported("linear").plan)
    plan[len(plan) // 2] ^= 1
    with pytest.raises(PlanError, match="damaged"):
        PlanRuntime(bytes(plan))
