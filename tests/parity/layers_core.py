"""Rows of layers that multiply, reshape, merge and wrap."""

from typing import Any

import keras
from keras import layers, ops

from tests.parity.branches import Branch, branch

_ROW, _SEQUENCE, _IMAGE = (5,), (4, 3), (4, 5, 3)


def _core(name: str, *shapes: tuple[int, ...], **settings: Any) -> Branch:
    return branch(name, "core", *shapes, **settings)


def _merging(name: str, *shapes: tuple[int, ...], **settings: Any) -> Branch:
    return branch(name, "merging", *shapes, **settings)


def _nested(tensor: Any) -> Any:
    inner_input = keras.Input(_ROW)
    inner = keras.Model(inner_input, layers.Dense(4, activation="tanh")(layers.Dense(3)(inner_input)))
    outer = keras.Sequential([keras.Input(_ROW), inner, layers.Dense(2)])
    return outer(tensor)


def _shared(first: Any, second: Any) -> Any:
    both = layers.Dense(4, activation="tanh")
    return layers.Concatenate()([both(first), both(second)])


def _masked_steps(tensor: Any) -> Any:
    return layers.GlobalAveragePooling1D()(layers.Masking()(ops.where(tensor > 0.8, 0.0, tensor)))


class Scaled(keras.layers.Layer):
    """A layer of one's own, made of Keras operations."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, inputs: Any) -> Any:
        return ops.tanh(inputs * self.scale) + ops.max(inputs, axis=-1, keepdims=True)


CORE = (
    _core("Dense", _ROW, layer=lambda: layers.Dense(3)),
    _core("Dense, without bias, of sequences", _SEQUENCE, layer=lambda: layers.Dense(2, use_bias=False)),
    _core(
        "Dense, with L1L2, L2 and orthogonal regularisers",
        _ROW,
        build=lambda x: layers.Dense(
            3,
            kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02),
            bias_regularizer=keras.regularizers.L2(0.03),
        )(layers.Dense(4, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.01))(x)),
    ),
    _core(
        "Dense, with constraints",
        _ROW,
        layer=lambda: layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.5), bias_constraint="non_neg"),
    ),
    _core("Dense, with an activity regulariser", _ROW, layer=lambda: layers.Dense(3, activity_regularizer="l2")),
    _core("ActivityRegularization", _ROW, layer=lambda: layers.ActivityRegularization(0.01, 0.02)),
    _core("EinsumDense", _SEQUENCE, layer=lambda: layers.EinsumDense("abc,cd->abd", (4, 2), bias_axes="d")),
    _core(
        "EinsumDense, two axes contracted",
        (3, 2, 4),
        layer=lambda: layers.EinsumDense("abcd,cde->abe", (3, 5), bias_axes="e", activation="tanh"),
    ),
    _core("Embedding", (4,), dtype="int32", layer=lambda: layers.Embedding(7, 3)),
    _core(
        "Embedding, masked",
        (4,),
        dtype="int32",
        build=lambda x: layers.GlobalAveragePooling1D()(layers.Embedding(7, 3, mask_zero=True)(x)),
    ),
    _core("Embedding, two axes of words", (2, 3), dtype="int32", layer=lambda: layers.Embedding(7, 2)),
    _core("ReversibleEmbedding", (4,), dtype="int32", build=lambda x: _reversible(x, tied=True)),
    _core("ReversibleEmbedding, weights not tied", (4,), dtype="int32", build=lambda x: _reversible(x, tied=False)),
    _core("Identity", _ROW, layer=layers.Identity),
    _core("Input", _ROW, build=lambda x: x, covers=("Input", "InputLayer")),
    _core("Lambda", _ROW, layer=lambda: layers.Lambda(lambda y: ops.sin(y) * ops.exp(-y * y))),
    _core(
        "Lambda, products",
        _SEQUENCE,
        layer=lambda: layers.Lambda(lambda y: ops.cumprod(ops.tanh(y), 1) * ops.prod(ops.tanh(y), -1, True)),
    ),
    _core("Masking", _SEQUENCE, build=_masked_steps),
    _core("Flatten", _IMAGE, build=lambda x: layers.Dense(2)(layers.Flatten()(x))),
    _core("Reshape", _SEQUENCE, layer=lambda: layers.Reshape((2, -1))),
    _core("Permute", _SEQUENCE, layer=lambda: layers.Permute((2, 1))),
    _core("RepeatVector", _ROW, build=lambda x: layers.Dense(2)(layers.RepeatVector(3)(x))),
    _core("Cropping1D", (6, 2), layer=lambda: layers.Cropping1D((1, 2))),
    _core("Cropping2D", (5, 6, 2), layer=lambda: layers.Cropping2D(((1, 0), (2, 1)))),
    _core("Cropping3D", (4, 3, 5, 2), layer=lambda: layers.Cropping3D(((1, 0), (0, 1), (2, 1)))),
    _core("ZeroPadding1D", _SEQUENCE, layer=lambda: layers.ZeroPadding1D((1, 2))),
    _core("ZeroPadding2D", _IMAGE, layer=lambda: layers.ZeroPadding2D(((1, 0), (2, 1)))),
    _core("ZeroPadding3D", (2, 3, 2, 2), layer=lambda: layers.ZeroPadding3D(((1, 0), (0, 1), (2, 1)))),
    _core("TimeDistributed", _SEQUENCE, layer=lambda: layers.TimeDistributed(layers.Dense(2))),
    _core(
        "TimeDistributed, of a convolution",
        (3, 4, 4, 2),
        layer=lambda: layers.TimeDistributed(layers.Conv2D(2, 3, padding="same")),
    ),
    _core("Rescaling", _ROW, layer=lambda: layers.Rescaling(0.5, 0.1)),
    _core(
        "Normalization",
        (3,),
        layer=lambda: layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5]),
    ),
    _core(
        "CategoryEncoding",
        (),
        dtype="int32",
        build=lambda x: layers.Dense(2)(layers.CategoryEncoding(7, "one_hot")(x)),
    ),
    _core(
        "CategoryEncoding, several categories",
        (3,),
        dtype="int32",
        build=lambda x: layers.Dense(2)(layers.CategoryEncoding(7, "multi_hot")(x)),
    ),
    _core(
        "CategoryEncoding, counted",
        (3,),
        dtype="int32",
        build=lambda x: layers.Dense(2)(layers.CategoryEncoding(7, "count")(x)),
    ),
    _core("a layer of one's own", _ROW, layer=Scaled),
    _core("a model in a model in a model", _ROW, build=_nested),
    _core("a layer that is called twice", _ROW, _ROW, build=_shared),
)

_PAIR = (_ROW, _ROW)
_FEATURES = ((4, 3), (4, 3))


def _both(name: str, layer: Any, function: Any) -> Branch:
    return _merging(name, *_PAIR, build=lambda x, y: function([layer()([x, y]), y]), covers=tuple(name.split(", ")))


MERGING = (
    _both("Add, add", layers.Add, layers.add),
    _both("Average, average", layers.Average, layers.average),
    _both("Concatenate, concatenate", layers.Concatenate, layers.concatenate),
    _both("Maximum, maximum", layers.Maximum, layers.maximum),
    _both("Minimum, minimum", layers.Minimum, layers.minimum),
    _both("Multiply, multiply", layers.Multiply, layers.multiply),
    _both("Subtract, subtract", layers.Subtract, layers.subtract),
    _merging("Dot", *_FEATURES, build=lambda x, y: layers.Dot(axes=2)([x, y])),
    _merging("Dot, of directions", *_PAIR, build=lambda x, y: layers.Dot(axes=1, normalize=True)([x, y])),
    _merging("dot, as a function", *_PAIR, build=lambda x, y: layers.dot([x, y], axes=1), covers=("dot",)),
)

ROWS = (*CORE, *MERGING)


def _reversible(tensor: Any, *, tied: bool) -> Any:
    table = layers.ReversibleEmbedding(7, 3, tie_weights=tied)
    return table(ops.tanh(table(tensor)), reverse=True)
