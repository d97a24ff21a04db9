"""When a device may take part again: pure values, no files and no clocks."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from fieldfare.sdk.pace._clock import Moment, elapsed

_ZERO = timedelta(0)
_MOST_FAILURES = 64


@dataclass(frozen=True, slots=True)
class Pace:
    """What a device remembers of its last participations.

    Attributes:
        worked: when it last worked for a round; None if never.
        asked: when it was last told when to come back, by the aggregator or by its own back-off.
        come_back_after: how long after that.
        failures: how many participations in a row found no aggregator.
    """

    worked: Moment | None = None
    asked: Moment | None = None
    come_back_after: timedelta = _ZERO
    failures: int = 0

    def settled(self, now: Moment) -> Self:
        """The same, seen from `now`: what lies ahead of it, since the clock was set back, is taken to be now.

        So nothing comes too early, and nothing is put off for longer than once more.
        """
        worked, asked = (
            now if one is not None and elapsed(one, now) is None else one for one in (self.worked, self.asked)
        )
        return replace(self, worked=worked, asked=asked)

    def rest(self, now: Moment, min_separation: timedelta) -> timedelta:
        """How long the owner's minimum between two participations has still to run."""
        return _left(self.worked, min_separation, now)

    def window(self, now: Moment) -> timedelta:
        """How long it is until the device is to come back."""
        return _left(self.asked, self.come_back_after, now)

    def after_work(self, now: Moment) -> Self:
        """It works, or has worked, for a round."""
        return replace(self, worked=now)

    def after_answer(self, now: Moment, come_back_after: timedelta) -> Self:
        """The aggregator has answered."""
        return replace(self, asked=now, come_back_after=come_back_after, failures=0)

    def after_failure(self, now: Moment, come_back_after: timedelta) -> Self:
        """The aggregator could not be reached."""
        failures = min(self.failures + 1, _MOST_FAILURES)
        return replace(self, asked=now, come_back_after=come_back_after, failures=failures)


def _left(since: Moment | None, period: timedelta, now: Moment) -> timedelta:
    if since is None:
        return _ZERO
    passed = elapsed(since, now)
    return period if passed is None else max(period - passed, _ZERO)
