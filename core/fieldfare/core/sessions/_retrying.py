"""How a session meets calls that fail, and for how long it stays away afterwards."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from fieldfare.core.errors import LimitError, PeerError, TransportError
from fieldfare.core.sessions._actions import Action, Wait

SHORTEST_WAIT = timedelta(milliseconds=10)
_LONGEST_AWAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How a session meets failing calls: exponential back-off with jitter, a bounded number of tries for each call.

    Attributes:
        tries: calls made before the session ends as unreachable, and times that one session sends a report; a kept
            report stays kept.
        first: wait after the first failure; doubles from there.
        longest: no wait within a session is longer; an aggregator that asks for more ends the session.
        max_artifact_bytes: the device refuses to fetch more than this for one artifact.
        longest_pending: how long a session waits for one receipt before it ends; the report stays kept.
        wait: how long the aggregator may hold a check-in open while it has no work yet; zero for not at all.
        after_peer_error: when to come back after a `PeerError`, which somebody has to mend first.
    """

    tries: int = 6
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    max_artifact_bytes: int = 2**30
    longest_pending: timedelta = timedelta(hours=1)
    wait: timedelta = timedelta(seconds=20)
    after_peer_error: timedelta = timedelta(hours=1)

    def back_off(self, failures: int, uniform: float) -> timedelta:
        """The wait after so many failures in a row: between a half and the whole of the doubled interval."""
        return min(self.first * 2.0 ** min(failures - 1, 30), self.longest) * (0.5 + uniform / 2)

    def away(self, error: TransportError, uniform: float) -> timedelta:
        """When to come back after a session that this error has ended."""
        if isinstance(error, PeerError):
            return self.after_peer_error * (0.5 + uniform / 2)
        return max(self.back_off(self.tries, uniform), _asked_for(error))


def retrying(action: Action, uniform: Callable[[], float], settings: RetrySettings) -> Generator[Action, Any, Any]:
    """Yield the action until it succeeds; after a retryable failure wait and try again, `tries` times in all.

    Raises:
        TransportError: the last failure, or one after which another try soon is of no use.
    """
    failures = 0
    while True:
        try:
            return (yield action)
        except TransportError as error:
            failures += 1
            if not error.retryable or failures >= settings.tries or _asked_for(error) > settings.longest:
                raise
            wait, reason = max(settings.back_off(failures, uniform()), _asked_for(error)), str(error)
        yield Wait(wait, reason)


def bounded(proto: Duration) -> timedelta:
    """A wait that the aggregator asks for, between 10 ms and a day."""
    # Safe: an aggregator, or who poses as one, can neither make a device spin nor put it away for good; the seconds are
    # cut before they become a timedelta, which not all of them fit.
    seconds = min(max(proto.seconds, 0), _LONGEST_AWAY // timedelta(seconds=1))
    delay = timedelta(seconds=seconds, microseconds=proto.nanos // 1000)
    return min(max(delay, SHORTEST_WAIT), _LONGEST_AWAY)


def _asked_for(error: TransportError) -> timedelta:
    """The wait that came with the error; none, or at most a day."""
    if not isinstance(error, LimitError):
        return timedelta(0)
    return timedelta(seconds=min(max(error.retry_after_s, 0.0), _LONGEST_AWAY.total_seconds()))
