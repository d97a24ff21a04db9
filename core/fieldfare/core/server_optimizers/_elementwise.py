"""Equations that are the same for every weight, in float64 over blocks that stay in the cache."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 14

Equation = Callable[..., tuple[NDArray[np.float64], ...]]
"""From blocks of the inputs, `(k,)` float64 each, to blocks of the outputs."""


def elementwise(equation: Equation, *vectors: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Apply the equation to float32 vectors of one length; each output is rounded once, to float32.

    What a float32 cannot hold becomes infinite, without a warning: a checkpoint of such weights is refused.
    """
    outputs: list[NDArray[np.float32]] = []
    with np.errstate(over="ignore"):
        for start in range(0, vectors[0].size, _BLOCK):
            block = slice(start, start + _BLOCK)
            results = equation(*(one[block].astype(np.float64) for one in vectors))
            outputs = outputs or [np.empty(vectors[0].shape, np.float32) for _ in results]
            for output, result in zip(outputs, results, strict=True):
                output[block] = result
    return outputs
