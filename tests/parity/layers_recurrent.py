"""Rows of recurrent layers and of attention."""

from typing import Any

from keras import layers, ops

from tests.parity.branches import Branch, branch

_STEPS, _FRAMES = (3, 3), (2, 3, 3, 2)


def _loop(name: str, shape: tuple[int, ...] = _STEPS, **settings: Any) -> Branch:
    return branch(name, "recurrent", shape, **settings)


def _attending(name: str, *shapes: tuple[int, ...], **settings: Any) -> Branch:
    return branch(name, "attention", *(shapes or (_STEPS,)), **settings)


def _masked(tensor: Any) -> Any:
    return layers.Masking()(ops.where(tensor > 1.0, 0.0, tensor))


def _words(tensor: Any) -> Any:
    return layers.Embedding(7, 3, mask_zero=True, embeddings_initializer="orthogonal")(tensor)


RECURRENT = (
    _loop("LSTM", layer=lambda: layers.LSTM(3)),
    _loop("LSTM, unrolled by the user", layer=lambda: layers.LSTM(2, unroll=True)),
    _loop(
        "LSTM, every step, backwards",
        layer=lambda: layers.LSTM(2, return_sequences=True, go_backwards=True),
    ),
    _loop("LSTM, masked", (4,), dtype="int32", build=lambda x: layers.LSTM(2)(_words(x))),
    _loop("LSTM, its states too", build=lambda x: layers.Concatenate()(layers.LSTM(2, return_state=True)(x))),
    _loop("GRU", layer=lambda: layers.GRU(3)),
    _loop("GRU, reset_after=False", layer=lambda: layers.GRU(2, reset_after=False)),
    _loop("GRU, every step, masked", build=lambda x: layers.GRU(2, return_sequences=True)(_masked(x))),
    _loop("GRU, from a given state", build=lambda x: layers.GRU(2)(x, initial_state=layers.Dense(2)(x[:, 0]))),
    _loop("SimpleRNN", layer=lambda: layers.SimpleRNN(3)),
    _loop("SimpleRNN, every step", layer=lambda: layers.SimpleRNN(2, return_sequences=True, activation="relu")),
    _loop("Bidirectional", layer=lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True))),
    _loop(
        "Bidirectional, summed, masked",
        build=lambda x: layers.Bidirectional(layers.LSTM(2), merge_mode="sum")(_masked(x)),
    ),
)

CELLS = (
    _loop("RNN", layer=lambda: layers.RNN(layers.LSTMCell(2)), covers=("RNN", "LSTMCell")),
    _loop("GRUCell", layer=lambda: layers.RNN(layers.GRUCell(2))),
    _loop("SimpleRNNCell", layer=lambda: layers.RNN(layers.SimpleRNNCell(2))),
    _loop(
        "StackedRNNCells",
        layer=lambda: layers.RNN(
            layers.StackedRNNCells([layers.GRUCell(2), layers.LSTMCell(3)]), return_sequences=True
        ),
    ),
    _loop("ConvLSTM1D", (2, 4, 2), layer=lambda: layers.ConvLSTM1D(2, 3, padding="same")),
    _loop("ConvLSTM2D", _FRAMES, layer=lambda: layers.ConvLSTM2D(2, 2)),
    _loop(
        "ConvLSTM2D, every step",
        _FRAMES,
        layer=lambda: layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True),
    ),
    _loop("ConvLSTM3D", (2, 2, 3, 2, 1), layer=lambda: layers.ConvLSTM3D(1, 2)),
)

_KEY = {"idle": ("key/bias",), "note": "the bias of the keys has no gradient: rounding moves it, in Keras too"}
_QUERY_VALUE = ((3, 4), (5, 4))
ATTENTION = (
    _attending("MultiHeadAttention", build=lambda x: layers.MultiHeadAttention(2, 3)(x, x), **_KEY),
    _attending(
        "MultiHeadAttention, causal",
        build=lambda x: layers.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True),
        **_KEY,
    ),
    _attending(
        "MultiHeadAttention, of two sequences, with a mask",
        (3, 4),
        (5, 2),
        build=lambda x, y: layers.MultiHeadAttention(2, 2, value_dim=3, output_shape=4, use_bias=False)(x, _masked(y)),
    ),
    _attending(
        "MultiHeadAttention, over two axes",
        (2, 3, 4),
        build=lambda x: layers.MultiHeadAttention(2, 2, attention_axes=(1, 2))(x, x),
        **_KEY,
    ),
    _attending("GroupQueryAttention", (4, 8), build=lambda x: layers.GroupQueryAttention(2, 4, 2)(x, x), **_KEY),
    _attending(
        "GroupQueryAttention, causal",
        build=lambda x: layers.GroupQueryAttention(2, 2, 1, use_bias=False)(x, x, use_causal_mask=True),
    ),
    _attending("Attention", *_QUERY_VALUE, build=lambda x, y: layers.Attention()([x, y])),
    _attending(
        "Attention, concatenated, scaled",
        *_QUERY_VALUE,
        build=lambda x, y: layers.Attention(score_mode="concat", use_scale=True)([x, y]),
    ),
    _attending("AdditiveAttention", *_QUERY_VALUE, build=lambda x, y: layers.AdditiveAttention()([x, y])),
)

ROWS = (*RECURRENT, *CELLS, *ATTENTION)
