"""The algorithms, and the settings that are tried with each: as many for one as for the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from benchmarks.algorithms.problems import Problem

Values = Mapping[str, Any]
"""Settings of a scenario by dotted name."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An algorithm.

    Attributes:
        name: as its paper spells it.
        algorithm: as a task spells it.
        knob: the setting that is tuned beside the learning rate on the device.
        values: of the knob; None for the problem's `server_rates`.
    """

    name: str
    algorithm: str
    knob: str
    values: tuple[float, ...] | None

    def grid(self, problem: Problem) -> list[dict[str, Any]]:
        """Every combination of a learning rate on the device with a value of the knob."""
        knobs = problem.server_rates if self.values is None else self.values
        return [
            {"task.aggregation.algorithm": self.algorithm, "task.local.learning_rate": rate, self.knob: value}
            for rate, value in product(problem.client_rates, knobs)
        ]


_RATE = "task.aggregation.server_learning_rate"
_PLAIN = (0.5, 1.0, 2.0)

CONTENDERS = {
    one.name: one
    for one in (
        Contender("FedAvg", "FEDAVG", _RATE, _PLAIN),
        Contender("FedAvgM", "FEDAVGM", _RATE, (0.1, 0.3, 1.0)),
        Contender("FedAdagrad", "FEDADAGRAD", _RATE, None),
        Contender("FedAdam", "FEDADAM", _RATE, None),
        Contender("FedYogi", "FEDYOGI", _RATE, None),
        Contender("FedProx", "FEDPROX", "task.local.proximal_mu", (0.01, 0.1, 1.0)),
        Contender("SCAFFOLD", "SCAFFOLD", _RATE, _PLAIN),
        Contender("FedBuff", "FEDBUFF", _RATE, _PLAIN),
    )
}
