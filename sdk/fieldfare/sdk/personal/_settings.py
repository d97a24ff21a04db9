"""What of a model a device makes its own, and how."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from fieldfare.core.errors import ConfigError
from fieldfare.core.metrics import LOSS
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.core.weights import TensorSpec

_ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Personal:
    """How the newest checkpoint is adapted to this device's examples, after it took part in a round or at any time.

    All weights: "Salvaging federated learning by local adaptation", Yu, Bagdasaryan and Shmatikov 2020. A head on a
    shared body: after "Federated learning with personalization layers", Arivazhagan et al. 2019; here the head goes on
    being trained federatedly too. `local.proximal_mu` holds the weights near the shared ones, as Ditto does (Li et al.
    2021).

    Attributes:
        tensors: patterns of the names of the weights to adapt ("dense_1/*"), of those that the plan trains. Everything
            but "*" needs a plan with the signature `gradients`, and takes steps of plain SGD.
        local: epochs, steps, batch, learning rate, examples and time, as a task gives them.
        always: keep the result though it is no better; else it must be better by `metric` on held-out examples.
        metric: one of the plan's, or "loss".
        min_held_out: with fewer held-out examples nothing can be said, and the result is not kept unless `always`.

    Raises:
        ConfigError: no pattern, or a number out of its bounds.
    """

    tensors: tuple[str, ...] = _ALL
    local: LocalTrainingSpec = field(default_factory=LocalTrainingSpec)
    always: bool = False
    metric: str = LOSS
    min_held_out: int = 2

    def __post_init__(self) -> None:
        if not self.tensors or not all(self.tensors):
            raise ConfigError("needs at least one pattern, such as '*'", field="personal.tensors")
        if self.min_held_out < 1:
            raise ConfigError(f"must be at least 1, got {self.min_held_out}", field="personal.min_held_out")
        self.local.check("personal.local")

    def chosen(self, weights: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """The weights that a pattern names, in the plan's order.

        Raises:
            ConfigError: a pattern that names none.
        """
        for pattern in self.tensors:
            if not any(fnmatchcase(one.name, pattern) for one in weights):
                known = ", ".join(one.name for one in weights)
                raise ConfigError(f"{pattern!r} names none of the plan's weights: {known}", field="personal.tensors")
        return tuple(one for one in weights if any(fnmatchcase(one.name, pattern) for pattern in self.tensors))

    @property
    def algorithm(self) -> Algorithm:
        """FEDAVG, the plan's optimiser, where it can be; FEDPROX where part of the weights or the pull asks for it."""
        plain = "*" in self.tensors and self.local.proximal_mu == 0
        return Algorithm.FEDAVG if plain else Algorithm.FEDPROX

    @property
    def digest(self) -> str:
        """Differs where settings differ, so that a change of them shows."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]
