"""What becomes of an assignment: known to the emulation when it is given, to the aggregator when it happens."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fieldfare.protos.v1 import aggregator_pb2


class Fate(Enum):
    """How a device's work ends."""

    REPORTS = "reports"
    DROPS = "nothing more is heard of it"
    LEAVES = "is not available any more, and says so"


@dataclass(frozen=True, slots=True)
class Flight:
    """One device at work.

    Attributes:
        number: counts from 0 over the whole emulation.
        device: from 0.
        assignment: what it was given.
        answer: the same as it came, serialised.
        began: when it was given.
        ends: when it reports, drops out or leaves.
        fate: which of them.
        bytes_down: artifacts that it fetches.
        bytes_up: what its report comes to.
    """

    number: int
    device: int
    assignment: aggregator_pb2.Assignment
    answer: bytes
    began: datetime
    ends: datetime
    fate: Fate
    bytes_down: int
    bytes_up: int
