"""Gradient accumulation without branches, which a plan lacks: both outcomes are computed, one is kept."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from fieldfare.converters.models import overridden


@contextmanager
def without_branches(optimizer: Any) -> Iterator[None]:
    """Let `optimizer.apply` accumulate gradients by selection instead of by `cond`.

    Args:
        optimizer: a built Keras optimiser, with or without `gradient_accumulation_steps`.
    """
    steps = optimizer.gradient_accumulation_steps
    accumulating = [(optimizer, "_backend_apply_gradients", _Accumulating(optimizer, steps))] if steps else []
    with overridden(accumulating):
        yield


class _Accumulating:
    """Every so many calls, a step with the mean of the gradients; in between, their sum."""

    def __init__(self, optimizer: Any, steps: int) -> None:
        self._optimizer, self._steps = optimizer, steps

    def __call__(self, slopes: Sequence[Any], variables: Sequence[Any]) -> None:
        optimizer = self._optimizer
        due = tf.math.floormod(optimizer._iterations.value + 1, self._steps) == 0
        sums = [optimizer._accumulated_gradients[optimizer._get_variable_index(one)] for one in variables]
        totals = [slope + one.value for slope, one in zip(slopes, sums, strict=True)]
        stepped = [*variables, *self._moved(sums)]
        before = [tf.identity(one.value) for one in stepped]
        clipped = optimizer._clip_gradients([one / self._steps for one in totals])
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(clipped, variables, optimizer.learning_rate)
        for one, old in zip(stepped, before, strict=True):
            one.value.assign(tf.where(due, one.value, old))
        for one, total in zip(sums, totals, strict=True):
            one.value.assign(tf.where(due, tf.zeros_like(total), total))

    def _moved(self, sums: Iterable[Any]) -> list[Any]:
        """The optimiser's variables that a step moves."""
        optimizer, known = self._optimizer, {id(one) for one in sums}
        unmoved = known | {id(optimizer._iterations), id(optimizer._learning_rate)}
        return [one for one in optimizer.variables if id(one) not in unmoved]
