"""How far training had come when it was interrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Progress:
    """What a `LocalTrainer` needs to go on as if nothing had come between.

    Attributes:
        vector: the weights so far, `(n,)` float32; with D-SGD the sum of the gradients so far, `(n,)` float64.
        state: the variables of the plan's optimiser, by name; empty where the plan's optimiser does not run.
        order: state of the bit generator that gives the order of the examples, before the first step.
        steps: steps that were taken.
        loss_sum: their losses, each times the examples of its step.
        seen: the examples of all these steps.
    """

    vector: NDArray[Any]
    state: Mapping[str, NDArray[Any]]
    order: Mapping[str, Any]
    steps: int
    loss_sum: float
    seen: int


def generator_at(order: Mapping[str, Any]) -> "np.random.Generator":
    """A generator in the state that `Progress.order` holds.

    Raises:
        ValueError, TypeError, KeyError: not the state of NumPy's PCG64.
    """
    generator: Any = np.random.PCG64()
    generator.state = dict(order)
    return np.random.Generator(generator)
