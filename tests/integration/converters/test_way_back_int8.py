"""A model trained on LiteRT, as int8: what it loses, measured with the plan's own metrics."""

import io
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fieldfare.converters import export_keras, plan_to_inference, save_weights
from fieldfare.converters.freezing import freeze_constants
from fieldfare.converters.inference import InferenceModel, compare_models, to_int8, weights_to_int8
from fieldfare.converters.inference._score import Scorer
from fieldfare.core.command import Console, run
from fieldfare.core.errors import DataError, PlanError
from fieldfare.core.metrics import add_metrics, means
from fieldfare.core.plans import PlanRuntime, attach_manifest, read_manifest, take_rows

keras = pytest.importorskip("keras")
layers = keras.layers

_TRAINED = 1400
_CALIBRATED = 200
_BATCH = 32


def _model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(12, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, activation="relu6"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(48, activation="relu", trainable=False),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Plan and weights of a model trained on LiteRT, its examples, and its float inference model."""
    data = pytest.importorskip("sklearn.datasets", reason="scikit-learn brings the digits").load_digits()
    order = np.random.default_rng(1).permutation(len(data.target))
    image = (data.images[order, :, :, None] / 16).astype(np.float32)
    examples = {"image": image, "label": data.target[order].astype(np.int32)}
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("digits") / "plan.tflite"
    words = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "optimizer": "adam"}
    export_keras(_model(), path, batch_size=_BATCH, **words)
    runtime = PlanRuntime(path)
    for _ in range(12):
        for start in range(0, _TRAINED, _BATCH):
            rows = slice(start, min(start + _BATCH, _TRAINED))
            runtime.train_step(take_rows(examples, rows), learning_rate=0.004)
    plan, vector = path.read_bytes(), runtime.get_weights()
    test = take_rows(examples, slice(_TRAINED, None))
    sums = [
        runtime.evaluate_step(take_rows(test, slice(at, at + _BATCH))) for at in range(0, len(test["label"]), _BATCH)
    ]
    return SimpleNamespace(
        path=path,
        plan=plan,
        vector=vector,
        model=plan_to_inference(plan, vector),
        calibration={"image": image[:_CALIBRATED]},
        test=test,
        metrics=means(add_metrics(sums)),
    )


@pytest.fixture(scope="module")
def int8(digits):
    return to_int8(digits.model, digits.calibration)


def test_int8_keeps_the_accuracy_in_less_than_half_of_the_bytes(digits, int8):
    assert digits.metrics["accuracy"] > 0.9
    found = compare_models(digits.plan, digits.vector, int8, digits.test)
    assert found.examples == len(digits.test["label"])
    assert found.sizes_bytes == (len(digits.model), len(int8))
    assert found.sizes_bytes[1] < 0.5 * found.sizes_bytes[0]
    assert found.missing == ()
    for name, value in digits.metrics.items():
        assert found.metrics[name][0] == pytest.approx(value, rel=1e-5)
    was, now = found.metrics["accuracy"]
    assert abs(now - was) <= 0.02
    assert 0 < found.differences["digit"] < 0.2


def test_int8_weights_alone_lose_less(digits, int8):
    packed = weights_to_int8(digits.model)
    assert len(packed) < 0.5 * len(digits.model)
    weights, whole = (compare_models(digits.plan, digits.vector, one, digits.test) for one in (packed, int8))
    assert weights.differences["digit"] < min(whole.differences["digit"], 0.05)


def test_every_layer_computes_in_int8(int8):
    interpreter = Interpreter(model_content=int8)
    floats = [one["name"] for one in interpreter.get_tensor_details() if one["dtype"] == np.float32]
    # What is taken and what is given.
    assert len(floats) == 2


def test_int8_inputs_and_outputs_are_the_same_model(digits, int8):
    whole = to_int8(digits.model, digits.calibration, integer_io=True)
    runner = Interpreter(model_content=whole).get_signature_runner()
    details = {**runner.get_input_details(), **runner.get_output_details()}
    assert {name: one["dtype"] for name, one in details.items()} == {"image": np.int8, "digit": np.int8}
    inputs = {"image": digits.test["image"]}
    got, want = (InferenceModel(one).predict(inputs)["digit"] for one in (whole, int8))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2 / 256)


def test_frozen_int8_weights_are_calibrated_as_float_ones_are(digits, int8):
    plan = attach_manifest(freeze_constants(digits.plan, dtype="int8"), read_manifest(digits.plan))
    model = plan_to_inference(plan, digits.vector)
    found = compare_models(plan, digits.vector, to_int8(model, digits.calibration), digits.test)
    assert abs(found.metrics["accuracy"][1] - digits.metrics["accuracy"]) <= 0.02
    assert found.sizes_bytes[0] < len(digits.model)


@pytest.mark.parametrize("name", ["frozen", "mlp", "several", "words"])
def test_the_plans_metrics_measure_predictions(exported, name):
    from fieldfare.converters._batches import random_batches

    case = exported(name)
    runtime = PlanRuntime(case.plan)
    batches = random_batches(case.model, case.manifest, steps=2, seed=3)
    want = means(add_metrics([runtime.evaluate_step(batch) for batch in batches]))
    examples = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    predictions = runtime.infer({spec.name: examples[spec.name] for spec in case.manifest.input_specs})
    scorer = Scorer(case.plan, runtime.get_weights())
    assert (set(scorer.names), scorer.missing) == (set(want), ())
    assert scorer.score(predictions, examples) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("name", ["frozen", "layers", "several", "words"])
def test_any_model_can_be_calibrated(exported, name):
    from fieldfare.converters._batches import random_batches

    case = exported(name)
    runtime = PlanRuntime(case.plan)
    batch = random_batches(case.model, case.manifest, steps=1, seed=3)[0]
    inputs = {spec.name: batch[spec.name] for spec in case.manifest.input_specs}
    model = to_int8(plan_to_inference(case.plan, runtime.get_weights()), inputs)
    got = InferenceModel(model).predict(inputs)
    for key, want in runtime.infer(inputs).items():
        assert np.abs(got[key] - want).max() < 0.1 * np.abs(want).max()


def test_calibration_with_other_examples_is_refused(digits):
    image = digits.calibration["image"]
    for wrong in ({}, {"picture": image}, {"image": image[:, :4]}, {"image": image[:0]}):
        with pytest.raises(DataError):
            to_int8(digits.model, wrong)
    with pytest.raises(DataError, match="label"):
        compare_models(digits.plan, digits.vector, digits.model, digits.calibration)
    for content in (b"no model", digits.plan, digits.model[:2000]):
        with pytest.raises(PlanError, match="cannot load"):
            to_int8(content, digits.calibration)
        with pytest.raises(PlanError, match="cannot load"):
            weights_to_int8(content)


@pytest.fixture
def convert(digits, tmp_path):
    """Runs `fieldfare convert` with {folder} filled in; the folder has weights, calibration and evaluation files."""
    entries = [one for one in metadata.entry_points(group="fieldfare.commands") if one.name == "convert"]
    save_weights(tmp_path / "w.npz", read_manifest(digits.plan).weight_specs, digits.vector)
    np.savez(tmp_path / "some.npz", **digits.calibration)
    np.savez(tmp_path / "test.npz", **digits.test)
    np.savez(tmp_path / "wrong.npz", picture=digits.calibration["image"])
    np.savez(tmp_path / "empty.npz", image=digits.calibration["image"][:0])

    def call(line):
        console = Console(io.StringIO(), io.StringIO())
        words = [one.format(folder=tmp_path) for one in f"convert {digits.path} {line}".split()]
        return run(words, console, {}, entries), console.out.getvalue(), console.err.getvalue()

    return call


def test_the_command_tells_what_int8_costs(digits, int8, convert, tmp_path):
    line = "{folder}/w.npz --to {folder}/m.tflite --int8 --calibration {folder}/some.npz --evaluation {folder}/test.npz"
    status, out, err = convert(line)
    assert (status, err) == (0, "")
    assert (tmp_path / "m.tflite").read_bytes() == int8
    found = compare_models(digits.plan, digits.vector, int8, digits.test)
    assert out.splitlines() == [f"{tmp_path}/m.tflite: {len(int8):,} bytes", *str(found).splitlines()]
    assert f"{found.metrics['accuracy'][1]:.4f}" in out


def test_the_command_packs_weights_without_calibration(digits, convert, tmp_path):
    # The test set has targets, which calibration does not need.
    status, out, err = convert("{folder}/w.npz --to {folder}/m.tflite --int8-weights")
    assert (status, err) == (0, "")
    assert (tmp_path / "m.tflite").read_bytes() == weights_to_int8(digits.model)
    assert f"{len(digits.model):,} bytes" in out
    line = "{folder}/w.npz --to {folder}/io.tflite --int8 --int8-io --calibration {folder}/test.npz"
    assert convert(line)[0] == 0
    assert InferenceModel((tmp_path / "io.tflite").read_bytes()).batch_size == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{folder}/w.npz --to {folder}/m.tflite --int8", "--int8: needs --calibration"),
        ("{folder}/w.npz --to {folder}/m.npz --int8 --calibration {folder}/some.npz", "is for inference models"),
        ("{folder}/w.npz --to {folder}/m.tflite --plan --int8-weights", "is for inference models"),
        ("{folder}/w.npz --to {folder}/m.tflite --plan --batch-size 4", "--batch-size: is for inference models"),
        ("{folder}/w.npz --to {folder}/./w.npz", "--to: is one of the files that are read"),
        ("{folder}/w.npz --to {folder}/m.tflite --calibration {folder}/some.npz", "--calibration: is for --int8 only"),
        ("{folder}/w.npz --to {folder}/m.tflite --int8-weights --int8-io", "--int8-io: is for --int8 only"),
        ("{folder}/w.npz --to {folder}/m.tflite --evaluation {folder}/test.npz", "--evaluation: is for"),
        ("{folder}/w.npz --to {folder}/m.tflite --int8 --calibration {folder}/none.npz", "cannot read"),
        ("{folder}/w.npz --to {folder}/m.tflite --int8 --calibration {folder}/wrong.npz", "need the tensors ['image']"),
        ("{folder}/w.npz --to {folder}/m.tflite --int8 --calibration {folder}/empty.npz", "there are no examples"),
        ("{folder}/w.npz --to {folder}/m.tflite --int8-weights --evaluation {folder}/some.npz", "['image', 'label']"),
    ],
)
def test_a_failed_convert_leaves_no_file(convert, tmp_path, line, message):
    before = sorted(tmp_path.iterdir())
    status, out, err = convert(line)
    assert status in {1, 2}
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
