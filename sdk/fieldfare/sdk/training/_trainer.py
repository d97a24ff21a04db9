"""What trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.local_steps import ControlVariates
from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans import Examples, Manifest
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.sdk.training._progress import Progress

Interrupt = Callable[[], str]
"""Asked between steps: empty to go on, else why the work must end."""

Enough = Callable[[], bool]
"""Asked after each step of training: True where what was trained is to be the result."""


def never() -> bool:
    """An `Enough` that lets training run its course."""
    return False


class Interrupted(Exception):  # noqa: N818 - it is a signal, not a failure
    """The work ended between two steps because an `Interrupt` said so.

    Attributes:
        progress: where training can go on; None where there is nothing to go on from, or it cannot.
    """

    def __init__(self, reason: str, progress: Progress | None = None) -> None:
        super().__init__(reason)
        self.progress = progress


@dataclass(frozen=True, slots=True)
class Trained:
    """What training found.

    Attributes:
        vector: the weight delta (FedAvg, FedProx) or the gradient (D-SGD), `(n,)` float32; for SCAFFOLD the deltas of
            the weights and of the control variate, `(2 n,)`. May hold NaN.
        loss: mean training loss over the examples, of the pass itself.
        example_count: distinct examples that were used.
        steps: steps that were taken; for D-SGD the batches whose gradients were summed.
    """

    vector: NDArray[np.float32]
    loss: float
    example_count: int
    steps: int = 0


class LocalTrainer(Protocol):
    """Runs a plan. Keeps the last one loaded, so that the next round of the same task begins at once.

    `fieldfare.sdk.training.contract` holds what every implementation must do; an app's own can be put through it.

    Raises (each method):
        PlanError: the plan cannot be used, or fails in the runtime.
        WeightsError: a checkpoint that is not this plan's.
        Interrupted: `interrupt` gave a reason.
    """

    def load(self, plan: Path, digest: str) -> Manifest:
        """Make the plan with this hexadecimal digest the one that the other methods run."""
        ...

    def train(
        self,
        checkpoint: NDArray[np.float32],
        examples: Examples,
        *,
        local: LocalTrainingSpec,
        algorithm: Algorithm,
        rng: "np.random.Generator",
        interrupt: Interrupt,
        enough: Enough = never,
        control: ControlVariates | None = None,
        progress: Progress | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Trained:
        """Train on at least one checked example, from the weights of `checkpoint`, `(n,)` float32.

        Args:
            checkpoint: the global weights.
            examples: at most `local.max_examples` of them, oldest first.
            local: epochs, steps, batch size (at most the plan's), order and learning rate are to be kept to; its other
                bounds have been seen to by the caller.
            algorithm: one of `fieldfare.core.tasks.DEVICE_ALGORITHMS`.
            rng: gives the order of the examples.
            interrupt: asked before each step.
            enough: asked after each step, but not with D-SGD.
            control: for SCAFFOLD, which needs it.
            progress: what an `Interrupted` of this trainer held, in this process or an earlier one, with the same
                other arguments: the result has the same bits as if training had not been interrupted. `rng` is not
                used then.
            mask: for FEDPROX, `(n,)`: only the values where it is True move.
        """
        ...

    def evaluate(
        self, weights: NDArray[np.float32], examples: Examples, *, interrupt: Interrupt
    ) -> Mapping[str, MetricSum]:
        """Of the weights, `(n,)` float32: sums of loss and metrics over at least one checked example."""
        ...
