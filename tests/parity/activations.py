"""Rows of keras.activations, and of the layers that are an activation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import activations, layers

from tests.parity.branches import Branch, branch
from tests.parity.rows import Section

_SHAPE = (3, 6)


def _function(name: str, function: Callable[..., Any], **settings: Any) -> Branch:
    first = name.partition(",")[0]
    return branch(
        name, "activations", _SHAPE, build=lambda x: layers.Lambda(function)(2.0 * x), covers=(first,), **settings
    )


def _layer(name: str, layer: Callable[[], Any]) -> Branch:
    return branch(name, "activations", _SHAPE, build=lambda x: layer()(2.0 * x))


FUNCTIONS = (
    _function("celu", activations.celu),
    _function("elu", activations.elu),
    _function("elu, alpha", partial(activations.elu, alpha=0.3)),
    _function("exponential", lambda x: activations.exponential(0.3 * x)),
    _function("gelu", partial(activations.gelu, approximate=False)),
    _function("gelu, approximate", partial(activations.gelu, approximate=True)),
    _function("glu", activations.glu),
    _function("hard_shrink", activations.hard_shrink),
    _function("hard_sigmoid", activations.hard_sigmoid),
    _function("hard_silu", activations.hard_silu),
    _function("hard_tanh", activations.hard_tanh),
    _function("leaky_relu", activations.leaky_relu),
    _function("linear", activations.linear),
    _function("log_sigmoid", activations.log_sigmoid),
    _function("log_softmax", activations.log_softmax),
    _function("mish", activations.mish),
    _function("relu", activations.relu),
    _function(
        "relu, slope, ceiling and threshold",
        partial(activations.relu, negative_slope=0.2, max_value=1.5, threshold=0.1),
    ),
    _function("relu6", activations.relu6),
    _function("selu", activations.selu),
    _function("sigmoid", activations.sigmoid),
    _function("silu", activations.silu),
    _function("soft_shrink", activations.soft_shrink),
    _function("softmax", activations.softmax),
    _function(
        "softmax, along another axis",
        partial(activations.softmax, axis=1),
        idle=("/bias",),
        note="a bias that all places share has no gradient: rounding moves it, in Keras too",
    ),
    _function("softplus", activations.softplus),
    _function("softsign", activations.softsign),
    _function("sparse_plus", activations.sparse_plus),
    _function("sparse_sigmoid", activations.sparse_sigmoid),
    _function("sparsemax", activations.sparsemax),
    _function("squareplus", activations.squareplus),
    _function("tanh", activations.tanh),
    _function("tanh_shrink", activations.tanh_shrink),
    _function("threshold", partial(activations.threshold, threshold=0.5, default_value=0.1)),
)

LAYERS = (
    _layer("Activation", lambda: layers.Activation("tanh")),
    _layer("ELU", layers.ELU),
    _layer("LeakyReLU", layers.LeakyReLU),
    _layer("PReLU", layers.PReLU),
    _layer("PReLU, shared slopes", lambda: layers.PReLU(shared_axes=[1])),
    _layer("ReLU", layers.ReLU),
    _layer("ReLU, slope and ceiling", lambda: layers.ReLU(max_value=1.0, negative_slope=0.1)),
    _layer("Softmax", layers.Softmax),
)

SECTION = Section(
    title="Activations",
    module=keras.activations,
    rows=FUNCTIONS,
    helpers=frozenset({"deserialize", "get", "serialize"}),
)
