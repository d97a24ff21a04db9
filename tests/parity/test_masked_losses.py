"""Masks and ignored classes: the mean is over what counts, in short batches and across batches too."""

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics

from fieldfare.converters import check_parity, export_keras
from fieldfare.core.metrics import add_metrics, means
from fieldfare.core.plans import PlanRuntime

_BATCH, _STEPS, _WORDS = 4, 5, 7


def _next_word():
    keras.utils.set_random_seed(23)
    words = keras.Input((_STEPS,), dtype="int32", name="words")
    hidden = layers.Embedding(_WORDS, 3, mask_zero=True)(words)
    hidden = layers.LSTM(4, return_sequences=True)(hidden)
    return keras.Model(words, layers.Dense(_WORDS, kernel_initializer="random_normal")(hidden))


def _next_word_settings():
    return {
        "loss": losses.SparseCategoricalCrossentropy(from_logits=True),
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
        "metrics": ["accuracy", metrics.SparseTopKCategoricalAccuracy(k=3, name="top3")],
    }


def _sentences(draw, lengths):
    """Words behind padding zeros, with what follows each; a length for each sentence."""
    words = draw.integers(1, _WORDS, (len(lengths), _STEPS + 1)).astype(np.int32)
    for row, length in zip(words, lengths, strict=True):
        row[length:] = 0
    return words[:, :-1], words[:, 1:]


@pytest.fixture(scope="module")
def next_word(tmp_path_factory):
    model, path = _next_word(), tmp_path_factory.mktemp("masked") / "plan.tflite"
    export_keras(model, path, batch_size=_BATCH, **_next_word_settings())
    return model, path


def test_next_words_train_as_in_keras(next_word):
    model, path = next_word
    draw = np.random.default_rng(1)
    # As many words in every example on average: only then is Keras's mean over batches that over words.
    lengths = [[2, 3, 4, 3], [3, 3, 3, 3], [4, 1, 3, 4], [5, 1, 1, 5], [2, 4]]
    pairs = [_sentences(draw, one) for one in lengths]
    report = check_parity(
        model, path, batches=[{"words": words, "label": label} for words, label in pairs], **_next_word_settings()
    )
    assert report.ok, report
    assert not report.idle
    assert set(report.evaluated) == {"loss", "accuracy", "top3"}


def test_evaluation_weighs_words_not_batches(next_word):
    model, path = next_word
    draw = np.random.default_rng(2)
    runtime, sums, expected, count = PlanRuntime(path), [], 0.0, 0
    for lengths in ([5, 5, 4, 5], [1, 1, 1, 2], [3]):
        words, label = _sentences(draw, lengths)
        sums.append(runtime.evaluate_step({"words": words, "label": label}))
        scores = model.predict(words, verbose=0).astype(np.float64)
        shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        chosen = np.take_along_axis(shares, label[..., None].astype(np.int64), -1)[..., 0]
        expected -= float(np.log(chosen)[words > 0].sum())
        count += int((words > 0).sum())
    assert means(add_metrics(sums))["loss"] == pytest.approx(expected / count, rel=1e-5)


def _tagged():
    """Two losses of one masked sequence: a tag of which one class is ignored, and a flag."""
    keras.utils.set_random_seed(29)
    words = keras.Input((_STEPS,), dtype="int32", name="words")
    hidden = layers.Embedding(_WORDS, 4, mask_zero=True)(words)
    tag = layers.Dense(3, name="tag", bias_initializer="random_normal")(hidden)
    flag = layers.Dense(1, activation="sigmoid", name="flag", bias_initializer="random_normal")(hidden)
    model = keras.Model(words, [tag, flag])
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=[losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2), "binary_crossentropy"],
        loss_weights=[0.7, 1.3],
        metrics=[["accuracy"], ["accuracy", metrics.Precision(name="precision")]],
    )
    return model


def test_several_masked_losses_train_as_in_keras(tmp_path):
    model, path = _tagged(), tmp_path / "plan.tflite"
    export_keras(model, path, batch_size=_BATCH)
    draw = np.random.default_rng(3)
    batches = []
    for size in [_BATCH] * 4 + [2]:
        words, _ = _sentences(draw, draw.integers(1, _STEPS + 1, size))
        tag = draw.integers(0, 3, words.shape).astype(np.int32)
        flag = draw.integers(0, 2, (*words.shape, 1)).astype(np.float32)
        batches.append({"words": words, "tag": tag, "flag": flag})
    report = check_parity(model, path, batches=batches)
    assert report.ok, report
    assert set(report.evaluated) == {"loss", "tag_accuracy", "flag_accuracy", "flag_precision"}
