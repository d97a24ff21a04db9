"""Hours of the day in which a device may work."""

from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Self

from fieldfare.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From `start` up to, and without, `end`; over midnight where `end` is the earlier one.

    What counts is what a clock on the wall shows. In the night when it is set back the hour that comes twice counts
    twice; when it is set forward, the hour that is left out is missing from the window.

    Attributes:
        start: local time.
        end: local time.
        zone: whose local time; default: the machine's.

    Raises:
        ConfigError: `start` is `end`, or one of them has a zone of its own.
    """

    start: time
    end: time
    zone: tzinfo | None = None

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ConfigError("begins when it ends; leave it out to work at any hour", field="hours")
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ConfigError("start and end are local times; give the zone by itself", field="hours")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "22:00-06:00".

        Raises:
            ConfigError: not two times of the day with a hyphen between them.
        """
        start, _, end = text.partition("-")
        try:
            return cls(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))
        except ValueError as error:
            raise ConfigError(f"{text!r} is not such as 22:00-06:00", field="hours") from error

    def holds(self, now: datetime) -> bool:
        """Whether `now`, timezone-aware, is inside."""
        local = now.astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def __str__(self) -> str:
        """Such as "22:00-06:00"."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
