"""What layers do otherwise in a plan: recurrent ones unroll, and sums over the batch heed the examples' weights."""

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.models import describe, flat_layers, overridden


@dataclass(slots=True)
class BatchSums:
    """What layers summed over the batch while they were called.

    Attributes:
        activity_losses: how many losses of activity regularisers were added.
        problems: sentences for layers that cannot be exact for a short batch.
    """

    activity_losses: int = 0
    problems: list[str] = field(default_factory=list)


@contextmanager
def unrolled(model: Any) -> Iterator[None]:
    """Unroll every recurrent layer: TFLite cannot train through a loop, and unrolled steps are faster."""
    loops = [one for one in flat_layers(model) if isinstance(one, keras.layers.RNN)]
    with overridden((one, "unroll", True) for one in loops):
        yield


@contextmanager
def inlined() -> Iterator[None]:
    """Trace functions that a layer compiles by itself (a grouped convolution) into the graph that calls them.

    A graph of their own would have gradients of its own, past the lowerings.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def weighted_batch(model: Any, weight: Any) -> Iterator[BatchSums]:
    """Let batch normalisation and activity regularisers leave out examples of weight 0.

    Args:
        model: in functional form.
        weight: `(batch,)` float32.
    """
    sums = BatchSums()
    with ExitStack() as stack:
        for layer in flat_layers(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                stack.enter_context(overridden([(layer, "_moments", _Moments(layer, weight, sums))]))
            if getattr(layer, "activity_regularizer", None) is not None:
                regularizer = _Activity(layer.activity_regularizer, weight, sums)
                stack.enter_context(overridden([(layer, "activity_regularizer", regularizer)]))
        yield sums


@dataclass(frozen=True, slots=True)
class _Moments:
    """Mean and variance over the examples, in place of the layer's own (Ioffe and Szegedy 2015, algorithm 1)."""

    layer: Any
    weight: Any
    sums: BatchSums

    def __call__(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        axes, sizes = self.layer._reduction_axes, inputs.shape.as_list()
        if 0 not in axes or sizes[0] != self.weight.shape[0]:
            self.sums.problems.append(
                f"{describe(self.layer)} does not see one example in each row: freeze it (layer.trainable = False)"
            )
            mean, variance = tf.nn.moments(inputs, axes)
            return mean, variance
        weight = tf.reshape(self.weight, [sizes[0]] + [1] * (len(sizes) - 1))
        weight *= 1.0 if mask is None else tf.expand_dims(tf.cast(mask, tf.float32), -1)
        # How many elements each weight stands for, along the axes that it lacks.
        repeats = 1.0
        for axis in axes:
            repeats *= sizes[axis] / weight.shape[axis]
        total = tf.reduce_sum(weight) * repeats
        total += 0.0 if mask is None else keras.backend.epsilon()
        mean = tf.reduce_sum(weight * inputs, axes, keepdims=True) / total
        variance = tf.reduce_sum(weight * tf.square(inputs - mean), axes) / total
        return tf.reshape(mean, variance.shape), variance


@dataclass(frozen=True, slots=True)
class _Activity:
    """An activity regulariser that leaves out examples of weight 0.

    Keras divides its result by the batch size: the mean over the examples. Before 3.14 Keras leaves it the sum.
    """

    regularizer: Any
    weight: Any
    sums: BatchSums

    def __call__(self, outputs: Any) -> Any:
        self.sums.activity_losses += 1
        sizes = outputs.shape.as_list()
        weight = tf.reshape(self.weight, [sizes[0]] + [1] * (len(sizes) - 1))
        total = tf.constant(0.0)
        if isinstance(self.regularizer, keras.regularizers.L1 | keras.regularizers.L1L2):
            total += self.regularizer.l1 * tf.reduce_sum(weight * tf.abs(outputs))
        if isinstance(self.regularizer, keras.regularizers.L2 | keras.regularizers.L1L2):
            total += self.regularizer.l2 * tf.reduce_sum(weight * tf.square(outputs))
        return total * float(sizes[0]) / tf.reduce_sum(self.weight) if _divides_by_batch() else total


@functools.cache
def _divides_by_batch() -> bool:
    """Whether this version of Keras divides what an activity regulariser gives by the batch size."""
    with tf.init_scope():
        layer = keras.layers.ActivityRegularization(l1=1.0)
        layer(tf.ones((2, 1)))
        return float(layer.losses[0]) == 1.0
