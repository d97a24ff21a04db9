"""Emulated time."""

from datetime import UTC, datetime

BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
"""When every emulation begins: midnight, a Monday."""


class EmulatedClock:
    """A clock that goes forward when it is told to.

    Args:
        now: where it begins; timezone-aware.
    """

    def __init__(self, now: datetime = BEGINNING) -> None:
        self._now = now

    def __call__(self) -> datetime:
        """The emulated present."""
        return self._now

    def advance(self, to: datetime) -> None:
        """Go on to this moment; one that has passed changes nothing."""
        self._now = max(self._now, to)
