"""Metrics of a plan are Keras's, over batches of which the last is short; those that cannot add up are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import metrics

from fieldfare.converters import check_parity, export_keras
from fieldfare.converters.lowerings import Wanted
from fieldfare.converters.lowerings.ranking import in_top_k
from fieldfare.converters.training import REFUSED_METRICS
from fieldfare.core.errors import ModelError
from tests.parity.metrics import OUTPUTS, ROWS, measured_model, settings
from tests.parity.rows import available

_BATCH = 6


def _targets(draw, name, size):
    width = OUTPUTS[name][2]
    if name == "values":
        return draw.standard_normal((size, width), np.float32).round(1)
    if name == "positive":
        return draw.random((size, width), np.float32) + np.float32(0.5)
    if name == "numbers":
        return draw.integers(0, width, size).astype(np.int32)
    if name == "shares":
        return np.eye(width, dtype=np.float32)[draw.integers(0, width, size)]
    return draw.integers(0, 2, (size, width)).astype(np.float32)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    draw = np.random.default_rng(4)
    sizes = [_BATCH] * 4 + [2]
    batches = [
        {"features": draw.standard_normal((size, 5), np.float32)}
        | {name: _targets(draw, name, size) for name in OUTPUTS}
        for size in sizes
    ]
    model, path = measured_model(), tmp_path_factory.mktemp("metrics") / "plan.tflite"
    export_keras(model, path, batch_size=_BATCH, **settings())
    assert check_parity(model, path, batches=batches[-2:], delegates=False, **settings()).ok
    return check_parity(model, path, batches=batches, **settings())


@pytest.mark.parametrize("row", available(ROWS), ids=lambda row: row.name)
def test_metrics(report, row):
    found = [one for name, one in report.evaluated.items() if name in _names(row)]
    assert len(found) == 1
    assert found[0] <= report.tolerance


def _names(row):
    made = row.make(row.slug)
    return {f"{row.output}_{getattr(made, 'name', None) or made.__name__}"}


def test_the_rest_of_the_model(report):
    assert report.ok, report
    assert len(report.evaluated) == len(available(ROWS)) + 1


def test_what_cannot_add_up_is_named_at_once(tmp_path):
    given = [
        *REFUSED_METRICS,
        metrics.F1Score(name="macro", average="macro"),
        metrics.IoU(num_classes=6, target_class_ids=[0, 1], name="two_classes"),
        metrics.Precision(thresholds=[0.2, 0.8], name="two_thresholds"),
        metrics.Recall(top_k=2, name="top"),
    ]
    made = [one if isinstance(one, metrics.Metric) else _made(getattr(metrics, one)) for one in given]
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(6)])
    with pytest.raises(ModelError) as caught:
        export_keras(model, tmp_path / "plan.tflite", loss="categorical_crossentropy", metrics=made)
    assert len(caught.value.problems) == len(made)
    for one, problem in zip(made, caught.value.problems, strict=True):
        assert problem.startswith(f"metric {one.name!r} ")
        # What is wrong, then what to do.
        assert ": " in problem
    assert list(tmp_path.iterdir()) == []


def _made(kind):
    several = {"MeanIoU": {"num_classes": 6}, "OneHotMeanIoU": {"num_classes": 6}}
    aims = {"PrecisionAtRecall": "recall", "RecallAtPrecision": "precision"}
    aims |= {"SensitivityAtSpecificity": "specificity", "SpecificityAtSensitivity": "sensitivity"}
    name = kind.__name__
    return kind(**several.get(name, {}), **({aims[name]: 0.5} if name in aims else {}))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_ranks_as_tensorflow_does(k):
    # Ties, a tie with the target, what is not finite, and targets that are no class.
    rows = [[0.1, 0.5, 0.5, 0.2], [3.0, -1.0, 2.0, 2.0], [0.0, np.inf, 0.5, 0.1], [np.nan, 1.0, 0.0, 0.0]]
    predictions = tf.constant(rows + rows[:2], tf.float32)
    targets = tf.constant([2, 3, 2, 1, -1, 4], tf.int32)
    found = in_top_k(Wanted("InTopKV2", (predictions, targets, tf.constant(k)), 0, None, (), {}))
    assert found.numpy().tolist() == tf.math.in_top_k(targets, predictions, k).numpy().tolist()


def _spread(y_true, y_pred):
    return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)


def test_compiled_metrics_of_ones_own_are_found(tmp_path):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(6)])
    model.compile(loss="mse", metrics=[_spread])
    manifest = export_keras(model, tmp_path / "plan.tflite")
    assert manifest.metric_names == ("loss", "_spread")
