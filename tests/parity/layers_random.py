"""Rows of layers that draw random numbers: `test_random_layers.py` compares their distributions."""

from typing import Any

from keras import layers

from tests.parity.branches import Branch, branch

_LINE, _IMAGE, _VOLUME, _STEPS = (12, 8), (4, 3, 8), (2, 3, 2, 8), (4, 3)
_NOTE = "in distribution: the numbers are the plan's own, fresh in every step"


def _random(name: str, shape: tuple[int, ...] = _LINE, **settings: Any) -> Branch:
    return branch(name, "random", shape, front=False, note=_NOTE, **settings)


MASKS = (
    _random("Dropout", layer=lambda: layers.Dropout(0.3)),
    _random("Dropout, one mask for all steps", layer=lambda: layers.Dropout(0.5, noise_shape=(None, 1, 8))),
    _random("SpatialDropout1D", layer=lambda: layers.SpatialDropout1D(0.5)),
    _random("SpatialDropout2D", _IMAGE, layer=lambda: layers.SpatialDropout2D(0.5)),
    _random("SpatialDropout3D", _VOLUME, layer=lambda: layers.SpatialDropout3D(0.5)),
)
"""What is dropped is zero, what is kept is scaled."""

OTHERS = (
    _random("AlphaDropout", layer=lambda: layers.AlphaDropout(0.4)),
    _random("GaussianDropout", layer=lambda: layers.GaussianDropout(0.3)),
    _random("GaussianNoise", layer=lambda: layers.GaussianNoise(0.5)),
    _random("LSTM, dropout and recurrent dropout", _STEPS, layer=lambda: _drops(layers.LSTM)),
    _random("GRU, dropout and recurrent dropout", _STEPS, layer=lambda: _drops(layers.GRU)),
    _random("SimpleRNN, dropout and recurrent dropout", _STEPS, layer=lambda: _drops(layers.SimpleRNN)),
    _random("Attention, dropout", _STEPS, build=lambda x: layers.Attention(dropout=0.4)([x, x])),
    _random("AdditiveAttention, dropout", _STEPS, build=lambda x: layers.AdditiveAttention(dropout=0.4)([x, x])),
    _random("MultiHeadAttention, dropout", _STEPS, build=lambda x: layers.MultiHeadAttention(2, 3, dropout=0.4)(x, x)),
    _random(
        "GroupQueryAttention, dropout",
        _STEPS,
        build=lambda x: layers.GroupQueryAttention(2, 2, 1, dropout=0.4)(x, x),
    ),
)

ROWS = (*MASKS, *OTHERS)


def _drops(kind: Any) -> Any:
    return kind(4, dropout=0.4, recurrent_dropout=0.3, return_sequences=True)
