"""Rows of layers that change the size of images."""

from typing import Any

from keras import layers

from tests.parity.branches import Branch, branch

_IMAGE = (4, 5, 2)


def _sized(name: str, shape: tuple[int, ...], layer: Any, **settings: Any) -> Branch:
    return branch(name, "resizing", shape, layer=layer, **settings)


ROWS = (
    _sized("UpSampling1D", (4, 2), lambda: layers.UpSampling1D(3)),
    _sized("UpSampling2D", _IMAGE, lambda: layers.UpSampling2D((2, 3))),
    _sized("UpSampling2D, bilinear", _IMAGE, lambda: layers.UpSampling2D((2, 3), interpolation="bilinear")),
    _sized("UpSampling2D, bicubic", _IMAGE, lambda: layers.UpSampling2D(2, interpolation="bicubic")),
    _sized("UpSampling2D, lanczos3", _IMAGE, lambda: layers.UpSampling2D(2, interpolation="lanczos3")),
    _sized("UpSampling2D, lanczos5", _IMAGE, lambda: layers.UpSampling2D(2, interpolation="lanczos5")),
    _sized("UpSampling3D", (2, 3, 2, 2), lambda: layers.UpSampling3D(2)),
    _sized("Resizing", _IMAGE, lambda: layers.Resizing(6, 3)),
    _sized("Resizing, nearest", _IMAGE, lambda: layers.Resizing(6, 3, interpolation="nearest")),
    _sized("Resizing, bicubic", _IMAGE, lambda: layers.Resizing(6, 3, interpolation="bicubic")),
    _sized("Resizing, lanczos3", _IMAGE, lambda: layers.Resizing(6, 3, interpolation="lanczos3")),
    _sized("CenterCrop", _IMAGE, lambda: layers.CenterCrop(3, 3)),
    _sized("CenterCrop, larger than the image", _IMAGE, lambda: layers.CenterCrop(6, 6)),
)
