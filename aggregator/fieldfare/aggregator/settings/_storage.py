"""Where state is kept, and what happens when it cannot be written."""

from dataclasses import dataclass
from datetime import timedelta

from fieldfare.aggregator.settings._checks import need, positive


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where state is kept, and what happens when it cannot be written.

    Attributes:
        retry_first: wait before a failed write to storage is tried again; doubles from there.
        retry_longest: no such wait is longer.

    Raises:
        ConfigError: a field out of its bounds.
    """

    retry_first: timedelta = timedelta(milliseconds=200)
    retry_longest: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        positive("storage", self, "retry_first", "retry_longest")
        need(self.retry_first <= self.retry_longest, "storage", "retry_longest", "must not be below retry_first")
