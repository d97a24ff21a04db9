"""What happened to a task: for the operator's eyes, after it is on disk."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from fieldfare.aggregator.storage import RoundRecord

_log = logging.getLogger("fieldfare.aggregator")


class EventKind(Enum):
    """Kinds of events."""

    SUBMITTED = "submitted"
    COMMITTED = "committed"
    EVALUATED = "evaluated"
    ABANDONED = "abandoned"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    RUNNING = "running"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        round: the round that ended; None for an event of the task as a whole.
        reason: why, in words; may be empty.
    """

    kind: EventKind
    task_id: str
    task_name: str
    round: RoundRecord | None = None
    reason: str = ""


Observer = Callable[[Event], None]
"""Called from a worker thread, for one event at a time and in their order; must return soon."""


class Outbox:
    """Events that wait to be told. Whoever holds a task's lock adds; `deliver` is for callers that hold none.

    Args:
        observer: is told.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._delivering = False

    def add(self, event: Event) -> None:
        """Something happened, and is on disk."""
        with self._lock:
            self._waiting.append(event)

    def deliver(self) -> None:
        """Tell what waits. Where another thread is telling already, that one goes on with it and this returns at once.

        So an observer may bring about further events, from its own thread or another, and is told of them afterwards.
        """
        while (event := self._claim()) is not None:
            try:
                self._tell(event)
            finally:
                with self._lock:
                    self._delivering = False

    def _claim(self) -> Event | None:
        with self._lock:
            if self._delivering or not self._waiting:
                return None
            self._delivering = True
            return self._waiting.popleft()

    def _tell(self, event: Event) -> None:
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001 - a user's callback may raise anything, and the rounds are none of its business
            _log.exception("task=%s on_event failed for the event %s", event.task_id, event.kind.value)
