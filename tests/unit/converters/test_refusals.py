"""What cannot be exported is refused, all of it at once, and nothing is written."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from fieldfare.converters import export_keras  # noqa: E402
from fieldfare.core.errors import ConfigError, ModelError, StorageError  # noqa: E402

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
    words = keras.Input((4,), dtype="int32")
    hidden = layers.Embedding(9, 3, name="table")(words)
    hidden = layers.LSTM(3, name="memory")(hidden)
    hidden = layers.Dense(3, activation="gelu", name="bend")(hidden)
    hidden = layers.GaussianNoise(0.1, name="noise")(hidden)
    hidden = layers.BatchNormalization(name="normal")(hidden)
    model = keras.Model(words, layers.Dense(1, activity_regularizer="l2", name="last")(hidden))
    problems = _problems(model, tmp_path)
    assert _mentions(problems, "'memory'", "unroll=True")
    assert _mentions(problems, "'bend'", "Erfc", "approximate=True")
    assert _mentions(problems, "'noise'", "Dropout")
    assert _mentions(problems, "'normal'", "trainable = False", "GroupNormalization")
    assert _mentions(problems, "'last'", "activity")
    assert not _mentions(problems, "'table'")


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
        (
            lambda: _sequential(layers.SimpleRNN(2, unroll=True, dropout=0.5), shape=(2, 2)),
            ("'simple_rnn", "Dropout layer"),
        ),
        (lambda: _sequential(layers.Conv2D(4, 1, groups=2), shape=(4, 4, 2)), ("grouped",)),
        (lambda: _sequential(layers.Conv2D(4, 1, data_format="channels_first"), shape=(2, 4, 4)), ("channels_last",)),
        (lambda: keras.Sequential([keras.Input(batch_shape=(4, 2)), layers.Dense(1)]), ("fixed batch size 4",)),
        (lambda: "no model", ("str is no keras.Model",)),
        (lambda: _sequential(layers.Embedding(5, 2, mask_zero=True), shape=(3,), dtype="int32"), ("mask",)),
    ],
)
def test_models_that_are_refused(model, words, tmp_path):
    assert any(_has_layer_words(problem, words) for problem in _problems(model(), tmp_path))


def _has_layer_words(problem, words):
    return all(word in problem or (word == "mixed_float16" and "float16" in problem) for word in words)


def test_a_stateful_layer_is_named(tmp_path):
    model = keras.Sequential([keras.Input((3, 2)), layers.SimpleRNN(2, unroll=True, name="kept")])
    model.layers[0].stateful = True
    assert _mentions(_problems(model, tmp_path), "'kept'", "stateful=False")


def test_string_inputs_are_refused(tmp_path):
    text = keras.Input((), dtype="string", name="text")
    numbers = keras.Input((3,), name="numbers")
    model = keras.Model([text, numbers], layers.Dense(1)(numbers))
    assert _mentions(_problems(model, tmp_path), "'text'", "integers")


@pytest.mark.parametrize(
    ("optimizer", "word"),
    [
        (lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), "schedule"),
        (lambda: keras.optimizers.SGD(use_ema=True), "use_ema"),
        (lambda: keras.optimizers.SGD(gradient_accumulation_steps=2), "gradient_accumulation_steps"),
    ],
)
def test_optimizers_that_are_refused(optimizer, word, tmp_path):
    assert _mentions(_problems(_sequential(layers.Dense(1)), tmp_path, optimizer=optimizer()), word)


def test_losses_and_metrics_that_are_refused(tmp_path):
    model = _sequential(layers.Dense(3))
    assert _mentions(_problems(model, tmp_path, loss=None), "not compiled")
    summed = keras.losses.MeanSquaredError(reduction="sum")
    assert _mentions(_problems(model, tmp_path, loss=summed), "mean over examples")
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    assert _mentions(_problems(model, tmp_path, loss=ignoring), "ignore_class")
    assert _mentions(_problems(model, tmp_path, metrics=["mae", "mae"]), "twice")
    assert _mentions(_problems(model, tmp_path, loss=["mse", "mse"]), "1 outputs")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("batch_size", 0), ("batch_size", -3), ("batch_size", 2.5), ("batch_size", True), ("batch_size", 65_537),
     ("learning_rate", 0.0), ("learning_rate", float("nan")), ("learning_rate", -1.0)],
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
    model = _sequential(layers.Dense(2), layers.GaussianNoise(0.1), layers.Dense(1))
    before = [one.copy() for one in model.get_weights()]
    _problems(model, tmp_path)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.layers[1].call.__func__ is layers.GaussianNoise.call
