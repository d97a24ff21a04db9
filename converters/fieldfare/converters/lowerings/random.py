"""Random numbers inside a plan: different in every step, and yet the same when the run is repeated.

Keras draws with operations that TFLite lacks. TFLite's own random operations either differ in every interpreter or
repeat from its start, so that a run could not be repeated from its seed, whatever process trains which device. Here a
number is a function of what is in the step already: element i at phase t is

    u_i(t) = frac(a_i + t * b_i)

with constants a, b drawn once, uniformly. u_i is uniform, and two phases give (nearly) independent numbers: good enough
for dropout and noise, not for secrets. The phase is made of the optimiser's iteration and a hash of the batch, so that
devices, rounds and batches have numbers of their own; it jumps from step to step, since the iteration alone would let
an element with a small b stay dropped for many steps in a row.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, replacement

_PHASES = 1024.0
_IRRATIONAL = 0.7548776662466927
_FREQUENCY, _SPREAD = 12.9898, 437.585
_SMALLEST = 1e-7
# These keep a generator, whether they drop out or not.
_CELLS = (keras.layers.GRUCell, keras.layers.LSTMCell, keras.layers.SimpleRNNCell)


def step_phase(iteration: Any, batch: Sequence[Any]) -> Any:
    """The phase of a training step, `()` float32, between -438 and 438.

    Args:
        iteration: the optimiser's iteration, `()` of an integer type.
        batch: `(b, ...)` inputs and targets of the step.
    """
    content = tf.constant(0.0)
    for index, one in enumerate(batch):
        flat = tf.reshape(tf.cast(one, tf.float32), [1, -1])
        mixing = np.random.default_rng(index).uniform(-1.0, 1.0, (flat.shape[1], 1)).astype(np.float32)
        content += tf.reshape(tf.matmul(flat, mixing), []) * _IRRATIONAL
    place = tf.cast(iteration, tf.float32) + (content - tf.floor(content)) * _PHASES
    return tf.sin(place * _FREQUENCY) * _SPREAD


@contextmanager
def seeds_at_rest() -> Iterator[None]:
    """Keep Keras's seed generators from counting inside: it is not used, and would be state of the plan."""
    generator = keras.random.SeedGenerator
    before = generator.next
    generator.next = lambda self, ordered=True: tf.zeros([2], tf.int32)  # noqa: ARG005
    try:
        yield
    finally:
        generator.next = before


def random_layers(model: Any) -> list[str]:
    """Names of the layers that draw random numbers while they train."""
    return [one.name for one in model._flatten_layers(include_self=False) if _draws(one)]


def _draws(layer: Any) -> bool:
    """A layer of Keras draws by its settings; one of the user's own where it keeps a `SeedGenerator`."""
    if not (type(layer).__module__.startswith("keras.") or isinstance(layer, _CELLS)):
        return bool(layer._seed_generators)
    settings = (getattr(layer, name, 0) for name in ("rate", "stddev", "dropout", "recurrent_dropout"))
    return any(isinstance(one, int | float) and one > 0 for one in settings)


@replacement("StatelessRandomUniformV2", training_only=True)
def uniform(wanted: Wanted) -> Any:
    """Numbers in [0, 1) of the shape that is the first input; None where that shape is not constant."""
    shape = _shape(wanted)
    return None if shape is None else tf.stop_gradient(_drawn(wanted, shape, "uniform"))


@replacement("StatelessRandomNormalV2", training_only=True)
def normal(wanted: Wanted) -> Any:
    """Standard normal numbers, by Box and Muller's method (1958); None where the shape is not constant."""
    shape = _shape(wanted)
    if shape is None:
        return None
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(_drawn(wanted, shape, "radius"), _SMALLEST)))
    return tf.stop_gradient(radius * tf.cos(2.0 * math.pi * _drawn(wanted, shape, "angle")))


def _shape(wanted: Wanted) -> Any:
    if wanted.phase is None:
        return None
    # Shape inference sees through slices of shapes, as a mask's shape is made of.
    shape = tf.zeros(wanted.inputs[0]).shape
    return shape.as_list() if shape.is_fully_defined() else None


def _drawn(wanted: Wanted, shape: Any, purpose: str) -> Any:
    # By the operation's place alone: two exports of one model draw the same numbers.
    draw = np.random.default_rng(zlib.crc32(f"{wanted.type} {wanted.index} {purpose}".encode()))
    offsets, speeds = (tf.constant(draw.random(shape, np.float32)) for _ in range(2))
    drawn = offsets + speeds * wanted.phase
    return drawn - tf.floor(drawn)
