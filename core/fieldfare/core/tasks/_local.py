"""`LocalTrainingSpec`: what a device does with its own examples."""

import math
from dataclasses import dataclass

from fieldfare.core.tasks._fields import need, optional
from fieldfare.protos.v1 import task_pb2

MAX_EXAMPLES = 10_000_000


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
    """

    epochs: int = 1
    max_steps: int = 0
    learning_rate: float | None = None
    min_examples: int = 1
    max_examples: int = 100_000
    min_evaluation_examples: int = 2
    proximal_mu: float = 0.0

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
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.LocalTrainingSpec) -> "LocalTrainingSpec":
        """Read the wire form; absent fields take their defaults. Does not check bounds."""
        return cls(
            epochs=optional(proto, "epochs", 1),
            max_steps=optional(proto, "max_steps", 0),
            learning_rate=optional(proto, "learning_rate", None),
            min_examples=optional(proto, "min_examples", 1),
            max_examples=optional(proto, "max_examples", 100_000),
            min_evaluation_examples=optional(proto, "min_evaluation_examples", 2),
            proximal_mu=optional(proto, "proximal_mu", 0.0),
        )
