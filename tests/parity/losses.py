"""Rows of keras.losses, and which of its names are refused or compute nothing."""

from typing import Any

import keras
from keras import losses

from fieldfare.converters.training import REFUSED_LOSSES
from tests.parity.objectives import IGNORED, Objective
from tests.parity.rows import Row, Section

_IMAGE = (2, 2, 1)
_SEQUENCE = (3, 4)


class _Pinball(losses.Loss):
    """A loss of one's own as a class."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        gap = y_true - y_pred
        return keras.ops.mean(keras.ops.maximum(0.8 * gap, -0.2 * gap), axis=-1)


def _quartic(y_true: Any, y_pred: Any) -> Any:
    """A loss of one's own as a function."""
    return keras.ops.mean(keras.ops.square(keras.ops.square(y_true - y_pred)), axis=-1)


def sparse_with_margin(y_true: Any, y_pred: Any) -> Any:
    """A loss of one's own that takes class numbers."""
    return keras.ops.maximum(0.1, losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True))


def _dice(y_true: Any, y_pred: Any) -> Any:
    return losses.dice(y_true, y_pred, axis=(1, 2, 3))


def _tversky(y_true: Any, y_pred: Any) -> Any:
    return losses.tversky(y_true, y_pred, alpha=0.3, beta=0.7, axis=(1, 2, 3))


def _function(name: str, alias: str, target: str = "values", **settings: Any) -> Objective:
    return Objective(name=name, covers=(name,), loss=lambda: alias, target=target, **settings)


def _class(name: str, loss: Any, target: str = "values", **settings: Any) -> Objective:
    kind = name.partition(",")[0]
    return Objective(name=name, covers=(kind,) if hasattr(losses, kind) else (), loss=loss, target=target, **settings)


_PROBABILITIES: dict[str, Any] = {"target": "shares", "activation": "softmax"}
_CHANCES: dict[str, Any] = {"target": "bits", "activation": "sigmoid"}
_NUMBERS: dict[str, Any] = {"target": "numbers", "activation": "softmax"}

BRANCHES: tuple[Objective, ...] = (
    _class("BinaryCrossentropy", losses.BinaryCrossentropy, **_CHANCES),
    _class(
        "BinaryCrossentropy, from logits, smoothed",
        lambda: losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        "bits",
    ),
    _function("binary_crossentropy", "binary_crossentropy", **_CHANCES),
    _class("BinaryFocalCrossentropy", lambda: losses.BinaryFocalCrossentropy(apply_class_balancing=True), **_CHANCES),
    _function("binary_focal_crossentropy", "binary_focal_crossentropy", **_CHANCES),
    _class("CategoricalCrossentropy", losses.CategoricalCrossentropy, **_PROBABILITIES),
    _class(
        "CategoricalCrossentropy, from logits, smoothed",
        lambda: losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        "shares",
    ),
    _class("CategoricalCrossentropy, of sequences", losses.CategoricalCrossentropy, shape=_SEQUENCE, **_PROBABILITIES),
    _function("categorical_crossentropy", "categorical_crossentropy", **_PROBABILITIES),
    _class("CategoricalFocalCrossentropy", losses.CategoricalFocalCrossentropy, **_PROBABILITIES),
    _function("categorical_focal_crossentropy", "categorical_focal_crossentropy", **_PROBABILITIES),
    Objective(
        name="CategoricalGeneralizedCrossEntropy",
        # The function has no default for q, so that Keras takes it through the class alone.
        covers=("CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"),
        loss=lambda: losses.CategoricalGeneralizedCrossEntropy(q=0.7),
        **_NUMBERS,
    ),
    _class("CategoricalHinge", losses.CategoricalHinge, "shares"),
    _function("categorical_hinge", "categorical_hinge", "shares"),
    _class("CosineSimilarity", losses.CosineSimilarity),
    _function("cosine_similarity", losses.cosine_similarity),
    _class("Dice", lambda: losses.Dice(axis=(1, 2, 3)), shape=_IMAGE, **_CHANCES),
    Objective(
        name="dice",
        covers=("dice",),
        loss=lambda: _dice,
        shape=_IMAGE,
        note="with the axes of one example; without them it is one number for a whole batch, which is refused",
        **_CHANCES,
    ),
    _class("Hinge", losses.Hinge, "signs"),
    _function("hinge", "hinge", "bits"),
    _class("Huber", lambda: losses.Huber(delta=0.5)),
    _function("huber", "huber"),
    _class("KLDivergence", losses.KLDivergence, **_PROBABILITIES),
    _function("kl_divergence", "kl_divergence", **_PROBABILITIES),
    _class("LogCosh", losses.LogCosh),
    _function("log_cosh", "log_cosh"),
    _class("MeanAbsoluteError", losses.MeanAbsoluteError),
    _function("mean_absolute_error", "mae"),
    _class("MeanAbsolutePercentageError", losses.MeanAbsolutePercentageError, "positive", factor=0.01),
    _function("mean_absolute_percentage_error", "mape", "positive", factor=0.01),
    _class("MeanSquaredError", losses.MeanSquaredError),
    _function("mean_squared_error", "mse", shape=_SEQUENCE),
    _class("MeanSquaredLogarithmicError", losses.MeanSquaredLogarithmicError, "positive", activation="softplus"),
    _function("mean_squared_logarithmic_error", "msle", "positive", activation="softplus"),
    _class("Poisson", losses.Poisson, "positive", activation="softplus"),
    _function("poisson", "poisson", "positive", activation="softplus"),
    _class("SparseCategoricalCrossentropy", losses.SparseCategoricalCrossentropy, **_NUMBERS),
    _class(
        "SparseCategoricalCrossentropy, from logits, of sequences",
        lambda: losses.SparseCategoricalCrossentropy(from_logits=True, name="named"),
        "numbers",
        shape=_SEQUENCE,
    ),
    _class(
        "SparseCategoricalCrossentropy, ignore_class",
        lambda: losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED),
        "numbers, some ignored",
        shape=_SEQUENCE,
        note="the mean is over what is not ignored, also across batches and devices; Keras takes the mean of batches",
    ),
    _function("sparse_categorical_crossentropy", "sparse_categorical_crossentropy", **_NUMBERS),
    _class("SquaredHinge", losses.SquaredHinge, "signs"),
    _function("squared_hinge", "squared_hinge", "signs"),
    _class("Tversky", lambda: losses.Tversky(alpha=0.3, beta=0.7, axis=(1, 2, 3)), shape=_IMAGE, **_CHANCES),
    Objective(
        name="tversky",
        covers=("tversky",),
        loss=lambda: _tversky,
        shape=_IMAGE,
        note="as dice",
        **_CHANCES,
    ),
    _class("a class of one's own", lambda: _Pinball(name="pinball")),
    _class("a function of one's own", lambda: _quartic),
    Objective(
        name="a function of one's own, of class numbers",
        loss=lambda: sparse_with_margin,
        target="numbers",
        note='its name begins with "sparse": that is how the targets are known to be class numbers',
    ),
)

MASKED = Row(
    name="SparseCategoricalCrossentropy, next word of masked sequences",
    note="the mean is over the words that count, also across batches and devices; Keras takes the mean of batches",
)
SEVERAL_MASKED = Row(
    name="several losses of masked sequences, ignore_class",
    note="each has a mean of its own, and examples weigh the batches, as in Keras",
)

SECTION = Section(
    title="Losses",
    module=losses,
    rows=(*BRANCHES, MASKED, SEVERAL_MASKED),
    refused=REFUSED_LOSSES | {name.lower(): reason for name, reason in REFUSED_LOSSES.items()},
    helpers=frozenset({"Loss", "deserialize", "get", "serialize"}),
    intro="The reduction is the mean over examples; `sum` and None are refused. Losses of several outputs are added up "
    "with `loss_weights`. Targets are int32 class numbers where the loss takes them, else float32.",
)
