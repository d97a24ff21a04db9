"""What the demo may be told, the task that follows from it, and how the task ended."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import CohortSpec, LocalTrainingSpec, TargetSpec, TaskSpec
from fieldfare.protos.v1 import task_pb2

POPULATION = "digits"
METRIC = "accuracy"
HELD_OUT_SHARE = 0.15
TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What `fieldfare demo` may be told; see its `--help`.

    Raises:
        ConfigError: a value out of its bounds.
    """

    output: Path
    devices: int = 30
    rounds: int = 40
    target: float = 0.965
    alpha: float = 0.5
    processes: int = 2
    port: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        bounds = {"devices": (2, 120), "rounds": (1, 1000), "processes": (1, 64), "port": (0, 65535)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"must be {low} to {high}", field=f"--{name}")
        if not 0 < self.target <= 1:
            raise ConfigError("must be above 0 and at most 1", field="--target")
        if not 0 < self.alpha <= 1e6:  # noqa: PLR2004
            raise ConfigError("must be above 0 and at most 1e6", field="--alpha")
        if self.seed < 0:
            raise ConfigError("must not be negative", field="--seed")

    def task(self) -> TaskSpec:
        """Half of the devices, two at the least, train in a round; all of them evaluate after it."""
        half = max(2, self.devices // 2)
        limit = timedelta(seconds=60)
        return TaskSpec(
            name="digits-demo",
            population=POPULATION,
            rounds=self.rounds,
            training=CohortSpec(half, max(2, half // 2), 1.3, limit, limit),
            evaluation=CohortSpec(self.devices, max(1, self.devices // 2), 1.0, limit, limit),
            local=LocalTrainingSpec(epochs=10),
            target=TargetSpec(METRIC, self.target, lower_is_better=False),
        )


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """How the task ended.

    Attributes:
        status: of the task, with all of its rounds.
        weights: the newest checkpoint, `(n,)` float32.
        processes: worker processes of the fleet.
        seconds: from the start of the fleet to the end of the task.
    """

    status: task_pb2.TaskStatus
    weights: NDArray[np.float32]
    processes: int
    seconds: float
