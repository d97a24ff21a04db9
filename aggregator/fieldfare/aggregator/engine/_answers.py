"""What a running task answers to those who ask it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fieldfare.aggregator.engine._open_round import OpenRound


class Standing(Enum):
    """What became of a device's report."""

    COUNTED = "counted, and on disk"
    IN_MEMORY = "added, not yet on disk"
    ABSENT = "the round is open and has no report of this device"
    GONE = "the round is over without this report"
    WAITING = "it may count, but in a round that has not begun yet"
    UNSURE = "not in memory: storage must be asked"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a device was given."""

    round: OpenRound
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What one of several replicas holds of a round: unused places, devices at work, reports in memory."""

    stock: int
    working: int
    pending: frozenset[bytes]
