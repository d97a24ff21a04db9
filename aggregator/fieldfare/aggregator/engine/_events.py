"""What happened to a task: for the operator's eyes, after it is on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from fieldfare.aggregator.storage import RoundRecord


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
"""Called from a worker thread; must return soon."""
