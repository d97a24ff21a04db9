"""How rounds are run."""

from dataclasses import dataclass
from datetime import timedelta

from fieldfare.aggregator.settings._checks import need, not_negative


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How rounds are run.

    Attributes:
        receipt_wait: how long a report waits for a snapshot before it is answered "pending".
        keep_checkpoints: newest versions kept for each task beside version 0; 0 keeps all.

    Raises:
        ConfigError: a field out of its bounds.
    """

    receipt_wait: timedelta = timedelta(seconds=1)
    keep_checkpoints: int = 0

    def __post_init__(self) -> None:
        not_negative("engine", self, "receipt_wait")
        need(self.keep_checkpoints >= 0, "engine", "keep_checkpoints", "must be 0 (all) or more")
