"""In which order a device takes its examples."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.tasks import LocalTrainingSpec


def batches(rows: int, size: int, local: LocalTrainingSpec, rng: "np.random.Generator") -> Iterator[NDArray[np.intp]]:
    """The rows of each step, `(1 to size,)`: `epochs` passes over all rows, `max_steps` steps at the most.

    A pass may end with a short batch. With `shuffle` each has an order of its own, drawn when it begins; else it is the
    order in which the rows stand.
    """
    steps = (order[start : start + size] for order in _orders(rows, local, rng) for start in range(0, rows, size))
    return islice(steps, local.max_steps or None)


def _orders(rows: int, local: LocalTrainingSpec, rng: "np.random.Generator") -> Iterator[NDArray[np.intp]]:
    for _ in range(local.epochs):
        yield rng.permutation(rows) if local.shuffle else np.arange(rows)
