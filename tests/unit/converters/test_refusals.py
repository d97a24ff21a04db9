"""What cannot be exported is refused, all of it at once, and nothing is written."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from fieldfare.converters import export_keras  # noqa: E402
from fieldfare.core.errors import ConfigError, ModelError, StorageError  # noqa: E402
from tests.parity.rows import has_keras  # noqa: E402

layers = keras.layers


def _sequential(*inner, shape=(6,), dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *inner])


def _problems(model, tmp_path, **settings):
    target = tmp_path / "plan.tflite"
    with pytest.raises(ModelError) as caught:
        export_keras(model, target, **({"loss": "mse"} | settings))
    assert list(tmp_path.iterdir()) == []
    return caught.value.problems


def _mentions(problems, *words):
    return any(all(word in problem for word in words) for problem in problems)


def test_all_layers_and_settings_are_named_at_once(tmp_path):
    picture = keras.Input((4, 4, 2))
    hidden = layers.RandomFlip(name="flip")(picture)
    hidden = layers.Conv2D(2, 1, data_format="channels_first", name="planes")(hidden)
    hidden = layers.Reshape((2, 8))(hidden)
    hidden = layers.SimpleRNN(3, name="memory")(hidden)
    hidden = layers.SpectralNormalization(layers.Dense(2), name="normal")(hidden)
    last = layers.Dense(1, activity_regularizer=keras.regularizers.OrthogonalRegularizer(), name="last")
    model = keras.Model(picture, last(hidden))
    model.get_layer("memory").stateful = True
    problems = _problems(model, tmp_path)
    assert _mentions(problems, "'flip'", "varies examples at random")
    assert _mentions(problems, "'planes'", "channels_last")
    assert _mentions(problems, "'memory'", "stateful=False")
    assert _mentions(problems, "'normal'", "UnitNorm")
    assert _mentions(problems, "'last'", "use L1, L2 or L1L2")
    assert len(problems) == 5


def test_an_operation_without_a_builtin_is_traced_to_its_layers(tmp_path):
    model = _sequential(
        layers.Dense(2, activation="tanh"), layers.Lambda(keras.ops.erfinv, name="bend"), layers.Dense(1, name="last")
    )
    (problem,) = _problems(model, tmp_path, metrics=["mae"])
    assert "layer 'bend' (Lambda)" in problem
    assert "no builtin for the operation Erfinv" in problem
    assert "'last'" not in problem


def test_every_operation_that_cannot_be_trained_is_named_with_its_layer(tmp_path):
    def picked(values):
        return tf.gather(values, tf.zeros_like(values[:, :1, 0, 0], tf.int32), batch_dims=1)

    def planes(values):
        return tf.raw_ops.MaxPool(input=values, ksize=[1] * 4, strides=[1] * 4, padding="VALID", data_format="NCHW")

    steps = (layers.Lambda(picked, name="pick"), layers.Lambda(planes, name="pool"), layers.Flatten())
    problems = _problems(_sequential(layers.Dense(2), *steps, layers.Dense(1), shape=(3, 4, 5)), tmp_path)
    assert _mentions(problems, "layer 'pick' (Lambda)", "GatherV2", "batch dimensions")
    assert _mentions(problems, "layer 'pool' (Lambda)", "MaxPool", "channels_last")


@pytest.mark.parametrize("error", [ValueError("four is bad"), AssertionError("four is bad"), KeyError("four is bad")])
def test_a_layer_that_fails_is_named_with_what_it_says(error, tmp_path):
    class Picky(layers.Layer):
        def call(self, inputs):
            if inputs.shape[0] is not None:
                raise error
            return inputs

    (problem,) = _problems(_sequential(Picky(name="picky"), layers.Dense(1)), tmp_path, batch_size=4)
    assert _mentions([problem], "layer 'picky' (Picky)", "four is bad")


@pytest.mark.parametrize("method", ["train_step", "compute_loss"])
def test_a_model_that_trains_in_its_own_way_is_not_taken_for_one_that_does_not(method, tmp_path):
    model = type("Own", (keras.Sequential,), {method: lambda self, *args, **kwargs: 0.0})
    model = model([keras.Input((3,)), layers.Dense(1)])
    model.compile(loss="mse")
    assert _mentions(_problems(model, tmp_path, loss=None), method, "loss=...")
    assert not _mentions(_problems(model, tmp_path, metrics=["nope"]), method)


def test_objects_that_count_in_their_own_way_are_refused(tmp_path):
    class Halved(keras.metrics.MeanSquaredError):
        def update_state(self, y_true, y_pred, sample_weight=None):
            return super().update_state(y_true / 2, y_pred / 2, sample_weight)

    class Missed(keras.metrics.Precision):
        def result(self):
            return 1 - super().result()

    class Doubled(keras.losses.MeanSquaredError):
        def __call__(self, y_true, y_pred, sample_weight=None):
            return 2 * super().__call__(y_true, y_pred, sample_weight)

    metrics = [Halved(name="halved"), Missed(name="missed")]
    problems = _problems(_sequential(layers.Dense(3)), tmp_path, loss=Doubled(name="doubled"), metrics=metrics)
    for name, word in (("halved", "update_state"), ("missed", "result"), ("doubled", "__call__")):
        assert _mentions(problems, name, word)


def test_unknown_words_are_all_named(tmp_path):
    model = _sequential(layers.Dense(1))
    problems = _problems(model, tmp_path, loss="nope", optimizer="nix", metrics=["auc", "wat"])
    assert [_mentions(problems, word) for word in ("'nope'", "'nix'", "'auc'", "'wat'")] == [True] * 4
    assert len(problems) == 4


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: keras.Sequential([layers.Dense(1)]), ("not built",)),
        (lambda: _sequential(layers.Conv1D(2, 3), shape=(None, 2)), ("dynamic shape",)),
        (lambda: _sequential(layers.Flatten()), ("no trainable weights",)),
        (lambda: _sequential(layers.Dense(2, dtype="mixed_float16")), ("mixed_float16", "float32")),
        (lambda: _sequential(layers.Dense(2, dtype="float64")), ("float64",)),
        (lambda: _sequential(layers.Dense(2, dtype="bfloat16", trainable=False), layers.Dense(1)), ("bfloat16",)),
        (lambda: keras.Sequential([keras.Input(batch_shape=(4, 2)), layers.Dense(1)]), ("fixed batch size 4",)),
        (lambda: "no model", ("str is no keras.Model",)),
    ],
)
def test_models_that_are_refused(model, words, tmp_path):
    assert any(_has_layer_words(problem, words) for problem in _problems(model(), tmp_path))


def _has_layer_words(problem, words):
    return all(word in problem or (word == "mixed_float16" and "float16" in problem) for word in words)


def test_string_inputs_are_refused(tmp_path):
    text = keras.Input((), dtype="string", name="text")
    numbers = keras.Input((3,), name="numbers")
    # Keras wants every input to lead to the output; a Lambda may leave one aside.
    model = keras.Model([text, numbers], layers.Dense(1)(layers.Lambda(lambda both: both[1])([text, numbers])))
    assert _mentions(_problems(model, tmp_path), "'text'", "integers")


@pytest.mark.parametrize(
    ("optimizer", "word"),
    [
        (lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), "schedule"),
        (lambda: keras.optimizers.SGD(use_ema=True), "use_ema"),
        (lambda: keras.optimizers.SGD(loss_scale_factor=8.0), "float32"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "float32"),
        pytest.param(
            lambda: keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD())),
            "train with",
            marks=pytest.mark.skipif(not has_keras("3.15"), reason="MultiOptimizer came with Keras 3.15"),
        ),
        (keras.optimizers.Lamb, "AdamW"),
    ],
)
def test_optimizers_that_are_refused(optimizer, word, tmp_path):
    assert _mentions(_problems(_sequential(layers.Dense(1)), tmp_path, optimizer=optimizer()), word)


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        (None, "not compiled"),
        (keras.losses.MeanSquaredError(reduction="sum"), "mean over examples"),
        (keras.losses.MeanSquaredError(reduction=None), "mean over examples"),
        (["mse", "mse"], "1 outputs"),
        (keras.losses.Dice(), "one value for each example"),
        (keras.losses.CTC(), "frame by frame"),
        (keras.losses.circle, "single examples"),
    ],
)
def test_losses_that_are_refused(loss, word, tmp_path):
    assert _mentions(_problems(_sequential(layers.Dense(3)), tmp_path, loss=loss), word)


def test_a_metric_stands_once(tmp_path):
    assert _mentions(_problems(_sequential(layers.Dense(3)), tmp_path, metrics=["mae", "mae"]), "twice")


def test_compiled_weighted_metrics_are_not_forgotten(tmp_path):
    model = _sequential(layers.Dense(3))
    model.compile(loss="mse", weighted_metrics=["mae"])
    assert _mentions(_problems(model, tmp_path, loss=None), "weighted_metrics", "give them as metrics")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("batch_size", 0), ("batch_size", -3), ("batch_size", 2.5), ("batch_size", True), ("batch_size", 65_537),
     ("learning_rate", 0.0), ("learning_rate", float("nan")), ("learning_rate", -1.0),
     ("learning_rate", "0.1")],
)  # fmt: skip
def test_numbers_that_cannot_be(setting, value, tmp_path):
    with pytest.raises(ConfigError) as caught:
        export_keras(_sequential(layers.Dense(1)), tmp_path / "plan.tflite", loss="mse", **{setting: value})
    assert caught.value.field == setting
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_said_before_any_work(tmp_path):
    with pytest.raises(StorageError, match="there is no folder"):
        export_keras("not even a model", tmp_path / "nowhere" / "plan.tflite")
    with pytest.raises(StorageError, match="is a folder"):
        export_keras("not even a model", tmp_path)


def test_a_failed_export_leaves_the_old_plan(tmp_path):
    target = tmp_path / "plan.tflite"
    target.write_bytes(b"the old plan")
    with pytest.raises(ModelError):
        export_keras(_sequential(layers.Dense(1)), target, loss="nope")
    assert target.read_bytes() == b"the old plan"
    assert list(tmp_path.iterdir()) == [target]


def test_weights_of_the_model_are_untouched_by_a_refusal(tmp_path):
    model = _sequential(layers.Dense(2), layers.Lambda(keras.ops.erfinv), layers.Dense(1))
    before = [one.copy() for one in model.get_weights()]
    _problems(model, tmp_path)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.layers[1].call.__func__ is layers.Lambda.call
