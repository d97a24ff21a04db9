"""Rows of convolutions and of pooling."""

from typing import Any

from keras import layers

from tests.parity.branches import Branch, branch

_LINE, _IMAGE, _VOLUME = (7, 4), (5, 6, 4), (4, 3, 4, 2)


def _flat(name: str, shape: tuple[int, ...], layer: Any, **settings: Any) -> Branch:
    return branch(name, "convolution", shape, layer=layer, **settings)


def _pooled(name: str, shape: tuple[int, ...], layer: Any, **settings: Any) -> Branch:
    return branch(name, "pooling", shape, layer=layer, **settings)


def _deep(name: str, layer: Any, shape: tuple[int, ...] = _VOLUME, **settings: Any) -> Branch:
    return branch(name, "volumes", shape, layer=layer, **settings)


CONVOLUTION = (
    _flat("Conv1D", _LINE, lambda: layers.Conv1D(3, 3)),
    _flat("Conv1D, strides 2, SAME", _LINE, lambda: layers.Conv1D(3, 3, strides=2, padding="same")),
    _flat("Conv1D, dilation 2, causal", _LINE, lambda: layers.Conv1D(3, 3, dilation_rate=2, padding="causal")),
    _flat("Conv1D, two groups", _LINE, lambda: layers.Conv1D(4, 3, groups=2)),
    _flat("Conv2D", _IMAGE, lambda: layers.Conv2D(3, 3)),
    _flat("Conv2D, SAME, activated", _IMAGE, lambda: layers.Conv2D(3, 3, padding="same", activation="relu")),
    _flat("Conv2D, strides 2, SAME", _IMAGE, lambda: layers.Conv2D(3, 3, strides=2, padding="same")),
    _flat("Conv2D, strides (2, 3)", _IMAGE, lambda: layers.Conv2D(2, (2, 3), strides=(2, 3))),
    _flat("Conv2D, dilation 2", _IMAGE, lambda: layers.Conv2D(3, 2, dilation_rate=2)),
    _flat("Conv2D, dilation 2, SAME", _IMAGE, lambda: layers.Conv2D(3, 3, dilation_rate=2, padding="same")),
    _flat("Conv2D, two groups", _IMAGE, lambda: layers.Conv2D(6, 3, groups=2, padding="same")),
    _flat("Conv2D, as many groups as channels", _IMAGE, lambda: layers.Conv2D(4, 3, groups=4)),
    _flat("Conv2D, kernel of one", _IMAGE, lambda: layers.Conv2D(3, 1)),
    _flat("Conv1DTranspose", _LINE, lambda: layers.Conv1DTranspose(3, 3, strides=2)),
    _flat("Conv1DTranspose, SAME", _LINE, lambda: layers.Conv1DTranspose(3, 3, strides=2, padding="same")),
    _flat("Conv2DTranspose", _IMAGE, lambda: layers.Conv2DTranspose(3, 3)),
    _flat("Conv2DTranspose, strides 2, SAME", _IMAGE, lambda: layers.Conv2DTranspose(2, 3, strides=2, padding="same")),
    _flat(
        "Conv2DTranspose, output padding",
        _IMAGE,
        lambda: layers.Conv2DTranspose(2, 3, strides=2, output_padding=1),
    ),
    _flat("DepthwiseConv1D", _LINE, lambda: layers.DepthwiseConv1D(3, depth_multiplier=2)),
    _flat("DepthwiseConv1D, strides 2, SAME", _LINE, lambda: layers.DepthwiseConv1D(3, strides=2, padding="same")),
    _flat("DepthwiseConv2D", _IMAGE, lambda: layers.DepthwiseConv2D(3)),
    _flat(
        "DepthwiseConv2D, strides 2, SAME, multiplier 2",
        _IMAGE,
        lambda: layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
    ),
    _flat("DepthwiseConv2D, dilation 2", _IMAGE, lambda: layers.DepthwiseConv2D(2, dilation_rate=2)),
    _flat("SeparableConv1D", _LINE, lambda: layers.SeparableConv1D(3, 3)),
    _flat("SeparableConv2D", _IMAGE, lambda: layers.SeparableConv2D(3, 3)),
    _flat(
        "SeparableConv2D, strides 2, SAME",
        _IMAGE,
        lambda: layers.SeparableConv2D(3, 3, strides=2, padding="same", depth_multiplier=2),
    ),
)

POOLING = (
    _pooled("MaxPooling1D", _LINE, lambda: layers.MaxPooling1D(2)),
    _pooled("MaxPooling1D, overlapping, SAME", _LINE, lambda: layers.MaxPooling1D(3, 2, padding="same")),
    _pooled("MaxPooling2D", _IMAGE, lambda: layers.MaxPooling2D(2)),
    _pooled("MaxPooling2D, SAME", _IMAGE, lambda: layers.MaxPooling2D(2, padding="same")),
    _pooled("MaxPooling2D, overlapping", _IMAGE, lambda: layers.MaxPooling2D(3, 1)),
    _pooled("MaxPooling2D, overlapping, SAME", _IMAGE, lambda: layers.MaxPooling2D(3, 2, padding="same")),
    _pooled("AveragePooling1D", _LINE, lambda: layers.AveragePooling1D(2)),
    _pooled("AveragePooling1D, overlapping, SAME", _LINE, lambda: layers.AveragePooling1D(3, 2, padding="same")),
    _pooled("AveragePooling2D", _IMAGE, lambda: layers.AveragePooling2D(2)),
    _pooled("AveragePooling2D, overlapping, SAME", _IMAGE, lambda: layers.AveragePooling2D(3, 2, padding="same")),
    _pooled("GlobalAveragePooling1D", _LINE, layers.GlobalAveragePooling1D),
    _pooled("GlobalAveragePooling2D", _IMAGE, lambda: layers.GlobalAveragePooling2D(keepdims=True)),
    _pooled("GlobalMaxPooling1D", _LINE, layers.GlobalMaxPooling1D),
    _pooled("GlobalMaxPooling2D", _IMAGE, layers.GlobalMaxPooling2D),
    _pooled("AdaptiveAveragePooling1D", _LINE, lambda: layers.AdaptiveAveragePooling1D(3)),
    _pooled("AdaptiveAveragePooling2D", _IMAGE, lambda: layers.AdaptiveAveragePooling2D((2, 4))),
    _pooled("AdaptiveMaxPooling1D", _LINE, lambda: layers.AdaptiveMaxPooling1D(3)),
    _pooled("AdaptiveMaxPooling2D", _IMAGE, lambda: layers.AdaptiveMaxPooling2D((2, 4))),
)

VOLUMES = (
    _deep("Conv3D", lambda: layers.Conv3D(3, 2)),
    _deep("Conv3D, strides 2, SAME", lambda: layers.Conv3D(3, 3, strides=2, padding="same")),
    _deep("Conv3D, dilation 2", lambda: layers.Conv3D(2, 2, dilation_rate=2)),
    _deep("Conv3D, two groups", lambda: layers.Conv3D(4, 2, groups=2)),
    _deep("Conv3DTranspose", lambda: layers.Conv3DTranspose(3, 2)),
    _deep("Conv3DTranspose, strides 2, SAME", lambda: layers.Conv3DTranspose(3, 3, strides=2, padding="same")),
    _deep("MaxPooling3D", lambda: layers.MaxPooling3D(2)),
    _deep("MaxPooling3D, overlapping, SAME", lambda: layers.MaxPooling3D(3, 2, padding="same")),
    _deep("AveragePooling3D", lambda: layers.AveragePooling3D(2)),
    _deep("AveragePooling3D, overlapping, SAME", lambda: layers.AveragePooling3D(3, 2, padding="same")),
    _deep("GlobalAveragePooling3D", layers.GlobalAveragePooling3D),
    _deep("GlobalMaxPooling3D", layers.GlobalMaxPooling3D),
    _deep("AdaptiveAveragePooling3D", lambda: layers.AdaptiveAveragePooling3D((2, 3, 2))),
    _deep("AdaptiveMaxPooling3D", lambda: layers.AdaptiveMaxPooling3D((2, 3, 2))),
)

ROWS = (*CONVOLUTION, *POOLING, *VOLUMES)
