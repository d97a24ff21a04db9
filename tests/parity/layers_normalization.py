"""Rows of normalisation."""

from typing import Any

import keras
from keras import layers

from tests.parity.branches import Branch, branch


def _normal(name: str, shape: tuple[int, ...], **settings: Any) -> Branch:
    return branch(name, "normalization", shape, **settings)


_IDLE = {"idle": ("/bias",), "note": "a bias in front of it has no gradient: rounding moves it, in Keras too"}


def _frozen(tensor: Any) -> Any:
    normal = layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(0.4))
    normal.trainable = False
    return normal(tensor)


ROWS = (
    _normal("BatchNormalization", (4,), layer=layers.BatchNormalization, **_IDLE),
    _normal("BatchNormalization, of images", (3, 4, 2), layer=lambda: layers.BatchNormalization(momentum=0.7), **_IDLE),
    _normal(
        "BatchNormalization, without scale and centre",
        (4,),
        layer=lambda: layers.BatchNormalization(scale=False, center=False),
        **_IDLE,
    ),
    _normal(
        "BatchNormalization, masked",
        (4,),
        build=lambda x: layers.BatchNormalization()(layers.Embedding(7, 3, mask_zero=True)(x)),
        dtype="int32",
    ),
    _normal(
        "BatchNormalization, renorm",
        (4,),
        layer=lambda: layers.BatchNormalization(renorm=True),
        since="3.14",
        **_IDLE,
    ),
    _normal("BatchNormalization, frozen", (3, 4), build=_frozen),
    _normal("LayerNormalization", (3, 4), layer=layers.LayerNormalization),
    _normal("LayerNormalization, two axes", (3, 4), layer=lambda: layers.LayerNormalization(axis=(1, 2))),
    _normal("RMSNormalization", (3, 4), layer=layers.RMSNormalization),
    _normal("GroupNormalization", (3, 2, 4), layer=lambda: layers.GroupNormalization(2)),
    _normal("GroupNormalization, one channel each", (3, 2, 4), layer=lambda: layers.GroupNormalization(-1), **_IDLE),
    _normal("UnitNormalization", (3, 4), layer=layers.UnitNormalization),
)
