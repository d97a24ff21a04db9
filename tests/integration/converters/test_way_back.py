"""Trained weights to Keras, to files and to a float inference model: equal predictions, whatever way they took."""

import contextlib
import io

import numpy as np
import pytest

from fieldfare.converters import export_keras, load_weights, load_weights_into_keras, plan_to_inference, save_weights
from fieldfare.converters._flatbuffer import op_code, parse
from fieldfare.converters.inference import InferenceModel, weights_to_int8
from fieldfare.core.plans import PlanRuntime

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers

_STEPS = 5
_TOLERANCE = 1e-5


def _encoder():
    """Frozen table, attention, LoRA on a frozen layer, Dropout, normalisation."""
    ids = keras.Input((12,), dtype="int32", name="ids")
    hidden = layers.Embedding(60, 32, trainable=False)(ids)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 16)(hidden, hidden))
    wide = layers.Dense(64, activation="relu", name="wide", trainable=False)(hidden)
    narrow = layers.Dense(32, name="narrow")
    hidden = layers.Add()([hidden, layers.Dropout(0.1)(narrow(wide))])
    narrow.enable_lora(4)
    model = keras.Model(ids, layers.Dense(3, name="kind")(layers.GlobalAveragePooling1D()(hidden)))
    return model, keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _two_in_two_out():
    """Convolution with frozen normalisation beside an unrolled GRU; two outputs."""
    image, words = keras.Input((8, 8, 2), name="image"), keras.Input((4,), dtype="int32", name="words")
    seen = layers.Conv2D(6, 3, use_bias=False)(image)
    normal = layers.BatchNormalization(name="normal")
    seen = layers.ReLU()(normal(seen))
    seen = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, activation="relu6")(seen))
    heard = layers.GRU(5, unroll=True)(layers.Embedding(20, 7)(words))
    both = layers.Concatenate()([seen, heard])
    amount, kind = layers.Dense(2, name="amount")(both), layers.Dense(3, activation="softmax", name="kind")(both)
    draw = np.random.default_rng(2)
    normal.set_weights([draw.uniform(0.5, 1.5, 6) for _ in range(4)])
    normal.trainable = False
    return keras.Model([image, words], [amount, kind]), {"amount": "mse", "kind": "sparse_categorical_crossentropy"}


_MODELS = {"encoder": _encoder, "two_in_two_out": _two_in_two_out}


def _examples(manifest, rows):
    draw = np.random.default_rng(4)
    return {
        spec.name: draw.standard_normal((rows, *spec.shape), np.float32)
        if spec.dtype == "float32"
        else draw.integers(0, 3, (rows, *spec.shape)).astype(np.int32)
        for spec in manifest.example_specs
    }


@pytest.fixture(scope="module", params=_MODELS)
def trained(request, tmp_path_factory):
    """Model, plan, manifest, weights after some steps on LiteRT, inputs, and what the plan then predicts for them."""
    keras.utils.set_random_seed(5)
    model, loss = _MODELS[request.param]()
    path = tmp_path_factory.mktemp("back") / "plan.tflite"
    manifest = export_keras(model, path, loss=loss, optimizer="adam", learning_rate=0.02, batch_size=8)
    plan = path.read_bytes()
    runtime, examples = PlanRuntime(plan), _examples(manifest, 19)
    before = runtime.get_weights()
    for _ in range(_STEPS):
        runtime.train_step({name: array[:8] for name, array in examples.items()}, learning_rate=0.02)
    assert np.abs(runtime.get_weights() - before).max() > 0.01
    inputs = {spec.name: examples[spec.name] for spec in manifest.input_specs}
    return model, plan, manifest, runtime.get_weights(), inputs, runtime.infer(inputs)


def _assert_equal(got, want):
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(value).max())


@pytest.mark.parametrize("ending", ["safetensors", "npz", "weights"])
def test_keras_predicts_as_the_plan_does_by_way_of_a_file(trained, tmp_path, ending):
    model, _, manifest, vector, inputs, want = trained
    path = tmp_path / f"trained.{ending}"
    save_weights(path, manifest.weight_specs, vector)
    load_weights_into_keras(model, manifest, load_weights(path, manifest.weight_specs))
    given = [inputs[spec.name] for spec in manifest.input_specs]
    got = model.predict(given if len(given) > 1 else given[0], verbose=0)
    got = got if isinstance(got, list) else [got]
    _assert_equal({one.spec.name: value for one, value in zip(manifest.outputs, got, strict=True)}, want)


@pytest.mark.parametrize("delegates", [False, True])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_inference_model_predicts_as_the_plan_does(trained, batch_size, delegates):
    _, plan, manifest, vector, inputs, want = trained
    model = InferenceModel(plan_to_inference(plan, vector, batch_size=batch_size), delegates=delegates)
    assert model.input_specs == manifest.input_specs
    _assert_equal(model.predict(inputs), want)


def test_training_leaves_no_trace_in_the_inference_model(trained):
    _, plan, _, vector, *_ = trained
    tree = parse(plan_to_inference(plan, vector))
    names = {number: name for name, number in vars(_builtins()).items() if isinstance(number, int)}
    (subgraph,) = tree.subgraphs
    used = {names[op_code(tree, one)] for one in subgraph.operators}
    # Weights read, layers in pieces, masks and divisions of a training step are gone.
    assert not used & {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "RELU", "RELU6"}
    assert {"FULLY_CONNECTED"} <= used
    assert tree.metadata in (None, [])
    labels = [one.name for one in subgraph.tensors]
    assert len(set(labels)) == len(labels)


def _builtins():
    from ai_edge_litert import schema_py_generated as schema

    return schema.BuiltinOperator


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_plans_and_inference_models_open_in_tensorflows_tools(trained, tmp_path):
    from tensorflow.lite.tools import visualize

    _, plan, manifest, vector, inputs, want = trained
    model = plan_to_inference(plan, vector)
    for content in (plan, model, weights_to_int8(model)):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            tf.lite.experimental.Analyzer.analyze(model_content=content)
        assert "Subgraph#0" in shown.getvalue()
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        assert "<html>" in visualize.create_html(str(path))
    runner = tf.lite.Interpreter(model_content=model).get_signature_runner("serving_default")
    _assert_equal(runner(**{name: array[:1] for name, array in inputs.items()}), {k: v[:1] for k, v in want.items()})
    assert "train" in tf.lite.Interpreter(model_content=plan).get_signature_list()
    assert manifest.name in (parse(model).description or b"").decode()
