"""Keras's Dropout inside a plan: masks that differ from step to step, and yet repeat with the run.

Keras draws masks with an operation that TFLite lacks. TFLite's own random operations either differ in every
interpreter or repeat from its start, so that a run could not be repeated from its seed, whatever process trains which
device. Here a mask is a function of what is in the step already: for element i, phase t,

    u_i(t) = frac(a_i + t * b_i),   mask_i = [u_i >= rate] / (1 - rate)

with constants a, b drawn once, uniformly. u_i is uniform, and two phases give (nearly) independent masks. The phase is
the optimiser's iteration plus a hash of the layer's input, so that devices, rounds and batches have masks of their own.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fieldfare.converters._checks import flat_layers

_PHASES = 1024.0
_SPREAD = 997.13


def dropout_layers(model: Any) -> list[Any]:
    """The layers whose `call` is replaced while a plan is traced."""
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]


@contextmanager
def replayable_dropout(model: Any, iteration: Any) -> Iterator[None]:
    """Let the model's Dropout layers draw masks as said above; must surround every traced call with training=True.

    Args:
        model: the Keras model; it is as it was when the context ends.
        iteration: the optimiser's iteration variable.
    """
    layers = dropout_layers(model)
    before = [layer.__dict__.get("call") for layer in layers]
    try:
        for layer in layers:
            # Past Keras's own __setattr__, which would track what is set.
            object.__setattr__(layer, "call", _masking(layer, iteration))
        yield
    finally:
        for layer, call in zip(layers, before, strict=True):
            layer.__dict__.pop("call", None)
            if call is not None:
                object.__setattr__(layer, "call", call)


def _masking(layer: Any, iteration: Any) -> Any:
    def call(inputs: Any, training: bool | None = False) -> Any:
        if not training:
            return inputs
        return inputs * _mask(layer, inputs, iteration)

    return call


def _mask(layer: Any, inputs: Any, iteration: Any) -> Any:
    shape = inputs.shape.as_list()
    # SpatialDropout computes its shape from the inputs, Dropout has it given or not at all.
    spatial = getattr(layer, "_get_noise_shape", None)
    given = spatial(inputs) if spatial else layer.noise_shape
    if given is not None:
        shape = [size if one is None else int(one) for size, one in zip(shape, given, strict=True)]
    # The layer's name alone: two exports of one model drop the same elements.
    draw = np.random.default_rng(zlib.crc32(layer.name.encode()) if layer.seed is None else layer.seed)
    offsets, speeds = (tf.constant(draw.random(shape, np.float32)) for _ in range(2))
    content = tf.reduce_sum(tf.stop_gradient(inputs)) * _SPREAD
    phase = tf.cast(iteration, tf.float32) + (content - tf.floor(content)) * _PHASES
    drawn = offsets + speeds * phase
    drawn -= tf.floor(drawn)
    kept = tf.cast(drawn >= layer.rate, tf.float32)
    return tf.stop_gradient(kept) / (1.0 - layer.rate)
