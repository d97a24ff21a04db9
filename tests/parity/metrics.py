"""Rows of keras.metrics: metrics of the outputs of one model, and which of its names are refused or compute nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import metrics

from fieldfare.converters.training import REFUSED_METRICS
from tests.parity.rows import Row, Section, available


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring(Row):
    """A row that is a metric of one of the model's outputs.

    Attributes:
        output: one of `OUTPUTS`.
        make: the metric as `compile` takes it, given a name of its own where that is possible.
    """

    output: str
    make: Callable[[str], Any]

    @property
    def slug(self) -> str:
        """Name of the metric."""
        return "".join(one if one.isalnum() else "_" for one in self.name)


OUTPUTS = {
    "values": ("mse", "linear", 3),
    "positive": ("poisson", "softplus", 3),
    "chance": ("binary_crossentropy", "sigmoid", 1),
    "labels": ("binary_crossentropy", "sigmoid", 4),
    "shares": ("categorical_crossentropy", "softmax", 6),
    "numbers": ("sparse_categorical_crossentropy", "softmax", 6),
}
"""Name of each output to its loss, activation and width."""


def _class(output: str, name: str, note: str = "", since: str = "", **settings: Any) -> Measuring:
    kind = getattr(metrics, name.partition(",")[0])
    return Measuring(
        name=name,
        covers=(kind.__name__,),
        output=output,
        note=note,
        since=since,
        make=lambda slug: kind(name=slug, **settings),
    )


def _function(output: str, name: str) -> Measuring:
    return Measuring(name=name, covers=(name,), output=output, make=lambda _: getattr(metrics, name))


def _within(y_true: Any, y_pred: Any) -> Any:
    """A metric of one's own."""
    return keras.ops.cast(keras.ops.abs(y_true - y_pred) < 0.5, "float32")


_ONE_QUOTIENT = "one threshold, no top_k; counts masked elements too, as in Keras"
_ONE_CLASS = "one target class, the last axis"
_MICRO = 'average="micro", or any average of one class'

ROWS: tuple[Measuring, ...] = (
    _class("values", "Accuracy"),
    _class("values", "CosineSimilarity"),
    _class("values", "ConcordanceCorrelation"),
    _class("values", "LogCoshError"),
    _class("values", "MeanAbsoluteError"),
    _class("values", "MeanSquaredError"),
    _class("values", "PearsonCorrelation", "0 where all targets or all outputs of an example are equal, NaN in Keras"),
    _class("values", "MeanMetricWrapper", fn=_within),
    Measuring(name="a function of one's own", output="values", make=lambda _: _within),
    *(
        _function("values", name)
        for name in (
            "concordance_correlation",
            "huber",
            "log_cosh",
            "mean_absolute_error",
            "mean_squared_error",
            "pearson_correlation",
        )
    ),
    _class("positive", "MeanAbsolutePercentageError"),
    _class("positive", "MeanSquaredLogarithmicError"),
    _class("positive", "Poisson"),
    *(
        _function("positive", name)
        for name in ("mean_absolute_percentage_error", "mean_squared_logarithmic_error", "poisson")
    ),
    _class("chance", "BinaryAccuracy", threshold=0.4),
    _class("chance", "BinaryCrossentropy", label_smoothing=0.1),
    _class("chance", "BinaryIoU", _ONE_CLASS, target_class_ids=[0], threshold=0.4),
    _class("chance", "F1Score", _MICRO, average="macro", threshold=0.4),
    _class("chance", "Precision", _ONE_QUOTIENT),
    _class("chance", "Recall", _ONE_QUOTIENT, thresholds=0.6),
    *(
        _function("chance", name)
        for name in ("binary_accuracy", "binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge")
    ),
    _class("labels", "F1Score, micro average", average="micro"),
    _class("labels", "FBetaScore", _MICRO, beta=2.0, average="micro", threshold=0.5),
    _class("labels", "Hinge"),
    _class("labels", "Precision, class_id", class_id=2),
    _class("labels", "Recall, class_id", class_id=0),
    _class("labels", "SquaredHinge"),
    _class("shares", "CategoricalAccuracy"),
    _class("shares", "CategoricalCrossentropy"),
    _class("shares", "CategoricalHinge"),
    _class("shares", "KLDivergence"),
    _class("shares", "OneHotIoU", _ONE_CLASS, num_classes=6, target_class_ids=[1]),
    _class("shares", "TopKCategoricalAccuracy", k=2),
    *(
        _function("shares", name)
        for name in (
            "categorical_accuracy",
            "categorical_crossentropy",
            "categorical_focal_crossentropy",
            "categorical_hinge",
            "kl_divergence",
            "top_k_categorical_accuracy",
        )
    ),
    _class("numbers", "IoU", _ONE_CLASS, num_classes=6, target_class_ids=[2], sparse_y_pred=False, ignore_class=0),
    _class("numbers", "SparseCategoricalAccuracy"),
    _class("numbers", "SparseCategoricalCrossentropy"),
    _class("numbers", "SparseCategoricalCrossentropy, ignore_class", since="3.14", ignore_class=3),
    _class("numbers", "SparseTopKCategoricalAccuracy", k=3),
    *(
        _function("numbers", name)
        for name in (
            "sparse_categorical_accuracy",
            "sparse_categorical_crossentropy",
            "sparse_top_k_categorical_accuracy",
        )
    ),
)

SECTION = Section(
    title="Metrics",
    module=metrics,
    rows=ROWS,
    refused=REFUSED_METRICS,
    helpers=frozenset({"Metric", "deserialize", "get", "serialize"}),
    intro="What is a mean over examples, or a quotient of two counts: both add up exactly over batches and devices. "
    '"accuracy" and "crossentropy" mean what they mean in Keras.',
)


def measured_model() -> Any:
    """The outputs on one input, compiled with all metrics."""
    keras.utils.set_random_seed(17)
    features = keras.Input((5,), name="features")
    outputs = {
        name: keras.layers.Dense(width, activation=activation, kernel_initializer="random_normal", name=name)(features)
        for name, (_, activation, width) in OUTPUTS.items()
    }
    return keras.Model(features, outputs)


def settings() -> dict[str, Any]:
    """What `export_keras` and `check_parity` need."""
    return {
        "loss": {name: loss for name, (loss, _, _) in OUTPUTS.items()},
        "optimizer": keras.optimizers.SGD(0.05),
        "metrics": {name: [row.make(row.slug) for row in available(ROWS) if row.output == name] for name in OUTPUTS},
    }
