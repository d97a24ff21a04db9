"""Rows as immutable values."""

from dataclasses import dataclass
from datetime import datetime

from fieldfare.core.rounds import RoundState
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import NextRound, TaskState
from fieldfare.protos.v1.aggregator_pb2 import PlanSignature


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task.

    Attributes:
        task_id: 16 random bytes in hexadecimal.
        spec: the serialised `TaskSpec`.
        reason: why the task is in its state.
        plan_signatures: of publishers over the plan.
    """

    task_id: str
    name: str
    population: str
    spec: bytes
    state: TaskState
    plan: Artifact
    created_at: datetime
    reason: str = ""
    ended_at: datetime | None = None
    plan_signatures: tuple[PlanSignature, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """One version of a task's global weights, and the server optimiser's state that goes with it, where it has one."""

    task_id: str
    version: int
    artifact: Artifact
    created_at: datetime
    optimizer_state: Artifact | None = None


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round; counts are those of the newest write.

    Attributes:
        metrics: `MetricTotals.to_json()`, exact.
        refusals: refused reports by the reason's short name.
        late: reports that came when the round or their time was over.
        duplicates: reports that were counted already.
    """

    task_id: str
    number: int
    kind: NextRound
    checkpoint_version: int
    started_at: datetime
    state: RoundState = RoundState.SELECTING
    ended_at: datetime | None = None
    reason: str = ""
    assigned: int = 0
    reported: int = 0
    withdrawn: int = 0
    refused: int = 0
    examples: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    metrics: str = "{}"
    refusals: str = "{}"
    late: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """The partial aggregate of an open round.

    Attributes:
        blob_key: where the sum is; empty for an evaluation round, which has metrics only.
        count: updates in it; equals the number of counted devices.
        weight: their total weight; 0 for an evaluation round.
        metrics: `MetricTotals.to_json()`.
    """

    task_id: str
    number: int
    blob_key: str
    count: int
    weight: int
    metrics: str
