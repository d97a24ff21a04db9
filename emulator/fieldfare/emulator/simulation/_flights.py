"""What becomes of an assignment: known to the emulation when it is given, to the aggregator when it happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from fieldfare.core.rounds import Ticket
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
        ticket: of the assignment.
        began: when it was given.
        ends: when it reports, drops out or leaves.
        fate: which of them.
        bytes_down: artifacts that it fetches.
        bytes_up: what its report comes to.
        compute: of its time, what goes into training or evaluating.
        transfer: of its time, what goes into downloads and the upload.
        energy_j: joules that its part takes; 0 where no energy is emulated.
    """

    number: int
    device: int
    assignment: aggregator_pb2.Assignment
    answer: bytes
    ticket: Ticket
    began: datetime
    ends: datetime
    fate: Fate
    bytes_down: int
    bytes_up: int
    compute: timedelta
    transfer: timedelta
    energy_j: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a device's part in a round ended.

    Attributes:
        flight: the part.
        how: "counted", "late", "refused", "withdrawn", "left" or "dropped".
        why: in words, where there is something to say.
        examples: behind its report; 0 where it made none.
        metrics: name to mean, as the device reported them; its loss while it trained among them.
    """

    flight: Flight
    how: str
    why: str = ""
    examples: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


def split_time(down: timedelta, work: timedelta, up: timedelta, took: timedelta) -> tuple[timedelta, timedelta]:
    """What a part that ended after `took` has spent computing and transferring.

    Args:
        down: how long its downloads take, which come first.
        work: how long its computing takes, which comes next.
        up: how long its upload takes.
        took: all of the time that it had; not above the sum of the three.
    """
    nothing = timedelta(0)
    computed = min(max(took - down, nothing), work)
    return computed, min(took, down) + min(max(took - down - work, nothing), up)
