"""What becomes of an assignment: known to the emulation when it is given, to the aggregator when it happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from fieldfare.core.rounds import Ticket
from fieldfare.protos.v1 import aggregator_pb2, tensors_pb2


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
        fetches_plan: whether it has to fetch the plan too.
        bytes_up: what its report comes to.
        compute: of its time, what goes into training or evaluating.
        transfer: of its time, what goes into downloads and the upload.
        energy_j: joules that it takes the device.
    """

    number: int
    device: int
    assignment: aggregator_pb2.Assignment
    answer: bytes
    ticket: Ticket
    began: datetime
    ends: datetime
    fate: Fate
    fetches_plan: bool
    bytes_up: int
    compute: timedelta
    transfer: timedelta
    energy_j: float

    @property
    def artifacts(self) -> list[tensors_pb2.ArtifactRef]:
        """What the device fetches."""
        return artifacts_of(self.assignment, with_plan=self.fetches_plan)

    @property
    def bytes_down(self) -> int:
        """What these come to."""
        return sum(one.size_bytes for one in self.artifacts)


def artifacts_of(assignment: aggregator_pb2.Assignment, *, with_plan: bool) -> list[tensors_pb2.ArtifactRef]:
    """What a device needs for an assignment."""
    found = [assignment.checkpoint]
    if assignment.HasField("control"):
        found.append(assignment.control)
    if with_plan:
        found.append(assignment.plan)
    return found


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
