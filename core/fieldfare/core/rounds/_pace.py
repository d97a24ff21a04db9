"""Pace steering: when a device that has nothing to do comes back (Bonawitz et al. 2019, section 2.3)."""

from dataclasses import dataclass
from datetime import timedelta

_AT_ONCE_PER_S = 10_000.0


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Bounds on how often devices call.

    Attributes:
        shortest: no device comes back sooner; what a small fleet sees.
        longest: no device is sent away for longer.
        check_ins_per_s: calls a second that the aggregator is to see from idle devices at the most.
    """

    shortest: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)
    check_ins_per_s: float = 100.0

    @property
    def window(self) -> timedelta:
        """A device that is still there has called within this time; ten minutes at least."""
        return max(self.longest * 1.5, timedelta(minutes=10))


def come_back_after(settings: PaceSettings, *, devices: int, uniform: float) -> timedelta:
    """How long to wait before the next check-in.

    Args:
        settings: the bounds.
        devices: how many devices share the aggregator: an estimate, such as those seen lately.
        uniform: a random number in [0, 1) that spreads the devices over plus and minus a half of the interval.

    Returns:
        At least half of `shortest`, so that jitter also spreads a small fleet; at most one and a half times `longest`.
    """
    steady = timedelta(seconds=devices / settings.check_ins_per_s)
    interval = min(max(steady, settings.shortest), settings.longest)
    return interval * (0.5 + uniform)


def go_on_after(settings: PaceSettings, *, devices: int, room: int, uniform: float) -> timedelta:
    """The same for a device whose next call may be held open until there is work.

    Args:
        settings: the bounds.
        devices: how many devices share the aggregator.
        room: calls that may be held open at the same time.
        uniform: a random number in [0, 1).

    Returns:
        Where all devices find room: at once, spread over so much time that the whole fleet makes 10,000 calls a second.
        Else as `come_back_after`, so that those who wait make room for others.
    """
    if devices > room:
        return come_back_after(settings, devices=devices, uniform=uniform)
    return timedelta(seconds=devices * uniform / _AT_ONCE_PER_S)
