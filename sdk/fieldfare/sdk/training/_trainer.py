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

Interrupt = Callable[[], str]
"""Asked between steps: empty to go on, else why the work must end."""


class Interrupted(Exception):  # noqa: N818 - it is a signal, not a failure
    """The work ended between two steps because an `Interrupt` said so."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training found.

    Attributes:
        vector: the weight delta (FedAvg, FedProx) or the gradient (D-SGD), `(n,)` float32; for SCAFFOLD the deltas of
            the weights and of the control variate, `(2 n,)`. May hold NaN.
        loss: mean training loss over the examples, of the pass itself.
        example_count: distinct examples that were used.
    """

    vector: NDArray[np.float32]
    loss: float
    example_count: int


class LocalTrainer(Protocol):
    """Runs a plan. Keeps the last one loaded, so that the next round of the same task begins at once.

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
        rng: np.random.Generator,
        interrupt: Interrupt,
        control: ControlVariates | None = None,
    ) -> Trained:
        """Train on at least one checked example, from the weights of `checkpoint`, `(n,)` float32.

        `algorithm` is one of `fieldfare.core.tasks.DEVICE_ALGORITHMS`; SCAFFOLD needs `control`.
        """
        ...

    def evaluate(
        self, checkpoint: NDArray[np.float32], examples: Examples, *, interrupt: Interrupt
    ) -> Mapping[str, MetricSum]:
        """Sums of loss and metrics over at least one checked example."""
        ...
