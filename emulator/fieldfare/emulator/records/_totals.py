"""What a fleet has done in all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Totals:
    """Counted as the devices' parts end.

    Attributes:
        ended: how many assignments ended in which way.
        device_seconds: time that devices were at work, all together.
        bytes_down: artifacts that were fetched.
        bytes_up: reports that were sent, late ones included.
        energy_j: joules that all of it took; 0 where no energy is emulated.
    """

    ended: Counter[str] = field(default_factory=Counter)
    device_seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0
    energy_j: float = 0.0

    def add(self, how: str, seconds: float, bytes_down: int, bytes_up: int, energy_j: float) -> None:
        """Count one device's part in one round."""
        self.ended[how] += 1
        self.device_seconds += seconds
        self.bytes_down += bytes_down
        self.bytes_up += bytes_up
        self.energy_j += energy_j

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "ended": dict(self.ended)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Totals":
        """What `to_json` made."""
        return cls(**{**tree, "ended": Counter(tree["ended"])})
