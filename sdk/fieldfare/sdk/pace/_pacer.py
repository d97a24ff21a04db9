"""Holds a device to its pace, and remembers it on disk."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.sessions import Ended, Participation, RetrySettings
from fieldfare.sdk.pace._clock import Moment, RunningClock
from fieldfare.sdk.pace._file import LONGEST_WINDOW, PaceFile
from fieldfare.sdk.pace._pace import Pace

_LOG = logging.getLogger("fieldfare.sdk")
# A shorter window is not worth a write to a flash drive: a process that starts anew has taken about as long.
_WORTH_KEEPING = timedelta(seconds=30)


class Pacer:
    """One device's pace. For the process that holds the folder's lock, one thread at a time.

    Args:
        file: where it is kept.
        clock: nobody can set it.
        now: the present, timezone-aware.
        min_separation: the owner's minimum from the end of one participation to the start of the next.
        retry: the back-off while the aggregator cannot be reached.
        uniform: random numbers in [0, 1).

    Raises:
        ConfigError: a negative minimum.
    """

    def __init__(
        self,
        file: PaceFile,
        clock: RunningClock,
        now: Callable[[], datetime],
        *,
        min_separation: timedelta,
        retry: RetrySettings,
        uniform: Callable[[], float],
    ) -> None:
        if min_separation < timedelta(0):
            raise ConfigError("must not be negative", field="min_separation")
        self._file, self._clock, self._now = file, clock, now
        self._min_separation, self._retry, self._uniform = min_separation, retry, uniform
        self._kept: Pace | None = None

    def wait(self, *, early: bool, resting: bool) -> tuple[timedelta, str]:
        """How long the device has to wait still, and why; zero where it may go on.

        Args:
            early: whether it may come before the time that it was told.
            resting: whether the owner's minimum counts.

        Raises:
            StorageError: the file cannot be read or written.
        """
        now = self.moment()
        before = self._pace()
        pace = before.settled(now)
        if pace != before:
            _LOG.warning("the clock was set back; the device waits as if it had taken part just now")
            self._keep(pace)
        rest = pace.rest(now, self._min_separation) if resting else timedelta(0)
        window = timedelta(0) if early else pace.window(now)
        if rest >= window:
            return rest, "the device took part a short while ago"
        return window, "the aggregator cannot be reached" if pace.failures else "it is not yet time to come back"

    def working(self) -> None:
        """Work for a round begins: from here on the minimum runs, also where the process is killed.

        Raises:
            StorageError: it cannot be written.
        """
        self._keep(self._pace().after_work(self.moment()))

    def settle(self, participation: Participation) -> Participation:
        """Remember how it ended; returns it with the back-off that so many failures in a row have earned."""
        now, pace = self.moment(), self._pace()
        after = participation.come_back_after
        if participation.ended is Ended.UNREACHABLE:
            after = max(after, self._retry.back_off(self._retry.tries + pace.failures, self._uniform()))
            participation = replace(participation, come_back_after=after)
            later = pace.after_failure(now, min(after, LONGEST_WINDOW))
        else:
            later = pace.after_answer(now, min(after, LONGEST_WINDOW))
        worked = participation.assignment is not None
        if worked:
            later = later.after_work(now)
        self._kept = later
        long = max(after, pace.come_back_after) >= _WORTH_KEEPING
        if long or (worked and self._min_separation) or later.failures != pace.failures:
            try:
                self._file.write(later)
            except StorageError as error:
                # Safe: what was done is done, and the minimum runs from when the work began at least.
                _LOG.warning("%s", error)
        return participation

    def _pace(self) -> Pace:
        if self._kept is None:
            self._kept = self._file.read()
        return self._kept

    def _keep(self, pace: Pace) -> None:
        self._kept = pace
        self._file.write(pace)

    def moment(self) -> Moment:
        """The present."""
        return Moment(self._now(), self._clock.start, self._clock.seconds())
