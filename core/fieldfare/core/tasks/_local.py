"""`LocalTrainingSpec`: what a device does with its own examples."""

import math
from dataclasses import dataclass
from enum import Enum

from fieldfare.core.tasks._fields import enum_of, need, optional
from fieldfare.protos.v1 import task_pb2

MAX_EXAMPLES = 10_000_000
_LARGEST_BATCH = 65_536
_LONGEST_SECONDS = 7 * 86_400


class Interruption(Enum):
    """What becomes of training that a condition ends: it is given up, or kept and taken up again."""

    DROP = task_pb2.INTERRUPTION_DROP
    RESUME = task_pb2.INTERRUPTION_RESUME


@dataclass(frozen=True, slots=True)
class LocalTrainingSpec:
    """What a device does with its own examples.

    Attributes:
        epochs: passes over the training examples.
        max_steps: stop after so many optimiser steps; 0 for no limit.
        learning_rate: None for the plan's own.
        min_examples: a device with fewer training examples sits the round out.
        max_examples: a device uses its newest so many; also the largest weight of an update.
        min_evaluation_examples: a device with fewer held-out examples sits evaluation rounds out.
        proximal_mu: FedProx: factor of the proximal term `mu / 2 * |w - w_global|^2` (Li et al. 2020, eq. 2).
        batch_size: examples in a step, at most the plan's batch size; 0 for that.
        shuffle: each pass has an order of its own; else it is always oldest first.
        max_seconds: training ends with the first step after so many seconds; 0 for no limit.
        local_metrics: the device reports its held-out metrics before and after training beside the update.
        interruption: what becomes of training that a condition ends.
    """

    epochs: int = 1
    max_steps: int = 0
    learning_rate: float | None = None
    min_examples: int = 1
    max_examples: int = 100_000
    min_evaluation_examples: int = 2
    proximal_mu: float = 0.0
    batch_size: int = 0
    shuffle: bool = True
    max_seconds: int = 0
    local_metrics: bool = False
    interruption: Interruption = Interruption.DROP

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds."""
        need(1 <= self.epochs <= 1000, f"{name}.epochs", "must be 1 to 1000")  # noqa: PLR2004
        need(0 <= self.max_steps <= 10**6, f"{name}.max_steps", "must be 0 (no limit) to 1000000")
        rate = self.learning_rate
        need(rate is None or (math.isfinite(rate) and rate > 0), f"{name}.learning_rate", "must be positive")
        need(1 <= self.max_examples <= MAX_EXAMPLES, f"{name}.max_examples", f"must be 1 to {MAX_EXAMPLES}")
        need(1 <= self.min_examples <= self.max_examples, f"{name}.min_examples", "must be 1 to max_examples")
        within = 1 <= self.min_evaluation_examples <= MAX_EXAMPLES
        need(within, f"{name}.min_evaluation_examples", f"must be 1 to {MAX_EXAMPLES}")
        need(0 <= self.proximal_mu <= 1e6, f"{name}.proximal_mu", "must be 0 to 1000000")  # noqa: PLR2004
        within = 0 <= self.batch_size <= _LARGEST_BATCH
        need(within, f"{name}.batch_size", f"must be 0 (the plan's own) to {_LARGEST_BATCH}")
        within = 0 <= self.max_seconds <= _LONGEST_SECONDS
        need(within, f"{name}.max_seconds", f"must be 0 (no limit) to {_LONGEST_SECONDS}")

    def to_proto(self) -> task_pb2.LocalTrainingSpec:
        """The wire form with every default written out; the learning rate only where there is one."""
        return task_pb2.LocalTrainingSpec(
            epochs=self.epochs,
            max_steps=self.max_steps,
            learning_rate=self.learning_rate,
            min_examples=self.min_examples,
            max_examples=self.max_examples,
            min_evaluation_examples=self.min_evaluation_examples,
            proximal_mu=self.proximal_mu,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            max_seconds=self.max_seconds,
            local_metrics=self.local_metrics,
            interruption=self.interruption.value,
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.LocalTrainingSpec) -> "LocalTrainingSpec":
        """Read the wire form; absent fields take their defaults. Does not check bounds.

        Raises:
            ConfigError: a kind of interruption from a newer version.
        """
        return cls(
            epochs=optional(proto, "epochs", 1),
            max_steps=optional(proto, "max_steps", 0),
            learning_rate=optional(proto, "learning_rate", None),
            min_examples=optional(proto, "min_examples", 1),
            max_examples=optional(proto, "max_examples", 100_000),
            min_evaluation_examples=optional(proto, "min_evaluation_examples", 2),
            proximal_mu=optional(proto, "proximal_mu", 0.0),
            batch_size=optional(proto, "batch_size", 0),
            shuffle=optional(proto, "shuffle", True),
            max_seconds=optional(proto, "max_seconds", 0),
            local_metrics=proto.local_metrics,
            interruption=enum_of(Interruption, proto.interruption, Interruption.DROP, "local.interruption"),
        )
