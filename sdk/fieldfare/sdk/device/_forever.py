"""One participation after another, with the waits in between."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fieldfare.core.errors import ProtocolError, StorageError, TransportError
from fieldfare.core.sessions import Ended, Participation, RetrySettings

_LOG = logging.getLogger("fieldfare.sdk")
AFTER_PROTOCOL_ERROR = timedelta(hours=1)
_AFTER_STORAGE_ERROR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Takes part again and again.

    Attributes:
        once: takes part once; is given how long a check-in may be held open.
        stop: ends it.
        retry: how failing calls are met.
        now: the present for time limits.
        is_settled: whether no report waits for its receipt.
    """

    once: Callable[[timedelta], Participation]
    stop: threading.Event
    retry: RetrySettings
    now: Callable[[], datetime]
    is_settled: Callable[[], bool]

    def run(self, tell: Callable[[Participation], None] | None, idle_after: timedelta | None) -> None:
        """Until it is stopped, or until there was nothing to do, or nobody to ask, for `idle_after`.

        Args:
            tell: called after each participation.
            idle_after: None for ever.

        Raises:
            StateError: another process or thread runs this device.
        """
        last_work = self.now()
        while not self.stop.is_set():
            wait = self.retry.wait
            if idle_after is not None:
                wait = min(wait, last_work + idle_after - self.now())
            participation = self._survive(wait)
            if participation.ended not in {Ended.IDLE, Ended.UNREACHABLE}:
                last_work = self.now()
            if participation.ended is Ended.STOPPED and self.is_settled():
                return
            if tell is not None:
                tell(participation)
            pause = participation.come_back_after
            if idle_after is not None:
                left = last_work + idle_after - self.now()
                if left <= timedelta(0):
                    return
                pause = min(pause, left)
            self.stop.wait(pause.total_seconds())

    def _survive(self, wait: timedelta) -> Participation:
        """The errors that time may heal become a wait."""
        try:
            return self.once(wait)
        except TransportError as error:
            _LOG.warning("%s", error)
            return Participation(Ended.UNREACHABLE, self.retry.longest, str(error))
        except ProtocolError as error:
            _LOG.error("%s", error)
            return Participation(Ended.UNREACHABLE, AFTER_PROTOCOL_ERROR, str(error))
        except StorageError as error:
            _LOG.error("%s", error)
            return Participation(Ended.UNREACHABLE, _AFTER_STORAGE_ERROR, str(error))
