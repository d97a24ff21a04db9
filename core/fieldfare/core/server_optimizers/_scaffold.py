"""SCAFFOLD's server (Karimireddy et al. 2020, algorithm 1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.local_steps import CONTROL
from fieldfare.core.server_optimizers._elementwise import elementwise
from fieldfare.core.server_optimizers._protocol import State


@dataclass(frozen=True, slots=True)
class Participation:
    """Whose control variates the server knows of.

    Attributes:
        reported: |S|, devices in this round.
        known_before: devices in the task's earlier training rounds.
        known: N, devices in those and in this one; at least 1.
    """

    reported: int
    known_before: int
    known: int


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The weights follow the mean delta, the control variate c stays the mean of the devices' own.

    With the mean deltas dw of the weights and dc of the control variates over the devices S of the round:

        w <- w + eta * dw
        c <- (N_before / N) c + (|S| / N) dc

    The paper's N is the number of all devices, known before the first round; here it is the number of devices that have
    reported so far, so that c is the mean over those at any time. Where N does not grow the second line is the paper's
    lines 16 and 17.

    Attributes:
        learning_rate: eta, the paper's global step size.
    """

    learning_rate: float
    participation: Participation

    def init(self, weights: NDArray[np.float32]) -> State:
        """State: c = 0."""
        return {CONTROL: np.zeros_like(weights)}

    def apply(
        self, state: State, weights: NDArray[np.float32], mean_update: NDArray[np.float32]
    ) -> tuple[State, NDArray[np.float32]]:
        """One round.

        Args:
            state: c, `(n,)`.
            weights: w, `(n,)`.
            mean_update: `(2 n,)`: the mean of the weights' deltas, then that of the control variates'.
        """
        seen = self.participation
        kept, new = seen.known_before / seen.known, seen.reported / seen.known
        moved, turned = mean_update[: weights.size], mean_update[weights.size :]
        after, control = elementwise(
            lambda w, c, dw, dc: (w + self.learning_rate * dw, kept * c + new * dc),
            weights,
            state[CONTROL],
            moved,
            turned,
        )
        return {CONTROL: control}, after
