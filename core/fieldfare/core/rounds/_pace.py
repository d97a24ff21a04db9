"""Pace steering: when a device that has nothing to do comes back (Bonawitz et al. 2019, section 2.3)."""

from dataclasses import dataclass
from datetime import timedelta


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
