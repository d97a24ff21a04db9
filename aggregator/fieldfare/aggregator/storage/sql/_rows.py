"""Between rows and records."""

from datetime import UTC, datetime, timedelta
from typing import Any, overload

from sqlalchemy import Row

from fieldfare.aggregator.storage._records import CheckpointRecord, RoundRecord, SnapshotRecord, TaskRecord
from fieldfare.core.rounds import RoundState
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import NextRound, TaskState
from fieldfare.protos.v1.admin_pb2 import SubmitTaskHeader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_ROUND = (
    "task_id",
    "number",
    "checkpoint_version",
    "reason",
    "assigned",
    "reported",
    "withdrawn",
    "refused",
    "examples",
    "bytes_up",
    "bytes_down",
    "metrics",
    "refusals",
    "late",
    "duplicates",
)
_SNAPSHOT = ("task_id", "number", "blob_key", "count", "weight", "metrics")


@overload
def micros(moment: datetime) -> int: ...
@overload
def micros(moment: None) -> None: ...
def micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970 in UTC, exact."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The moment of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    """The same, where there is one."""
    return None if value is None else moment(value)


def from_task(record: TaskRecord) -> dict[str, Any]:
    """Column values of a task."""
    return {
        "task_id": record.task_id,
        "name": record.name,
        "population": record.population,
        "spec": record.spec,
        "state": record.state.value,
        "reason": record.reason,
        "plan_sha256": record.plan.sha256,
        "plan_bytes": record.plan.size_bytes,
        "created_at": micros(record.created_at),
        "ended_at": micros(record.ended_at),
        "plan_signatures": SubmitTaskHeader(plan_signatures=record.plan_signatures).SerializeToString(),
    }


def to_task(row: Row[Any]) -> TaskRecord:
    """A task from its row."""
    return TaskRecord(
        task_id=row.task_id,
        name=row.name,
        population=row.population,
        spec=row.spec,
        state=TaskState(row.state),
        plan=Artifact(row.plan_sha256, row.plan_bytes),
        created_at=moment(row.created_at),
        reason=row.reason,
        ended_at=moment_or_none(row.ended_at),
        plan_signatures=tuple(SubmitTaskHeader.FromString(row.plan_signatures or b"").plan_signatures),
    )


def from_checkpoint(record: CheckpointRecord) -> dict[str, Any]:
    """Column values of a checkpoint."""
    state = record.optimizer_state
    return {
        "task_id": record.task_id,
        "version": record.version,
        "sha256": record.artifact.sha256,
        "size_bytes": record.artifact.size_bytes,
        "state_sha256": None if state is None else state.sha256,
        "state_bytes": None if state is None else state.size_bytes,
        "created_at": micros(record.created_at),
    }


def to_checkpoint(row: Row[Any]) -> CheckpointRecord:
    """A checkpoint from its row."""
    return CheckpointRecord(
        task_id=row.task_id,
        version=row.version,
        artifact=Artifact(row.sha256, row.size_bytes),
        created_at=moment(row.created_at),
        optimizer_state=None if row.state_sha256 is None else Artifact(row.state_sha256, row.state_bytes),
    )


def from_round(record: RoundRecord) -> dict[str, Any]:
    """Column values of a round."""
    values: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN_ROUND}
    return values | {
        "kind": record.kind.value,
        "state": record.state.value,
        "started_at": micros(record.started_at),
        "ended_at": micros(record.ended_at),
    }


def to_round(row: Row[Any]) -> RoundRecord:
    """A round from its row."""
    return RoundRecord(
        kind=NextRound(row.kind),
        state=RoundState(row.state),
        started_at=moment(row.started_at),
        ended_at=moment_or_none(row.ended_at),
        **{name: getattr(row, name) for name in _PLAIN_ROUND},
    )


def from_snapshot(record: SnapshotRecord) -> dict[str, Any]:
    """Column values of a snapshot."""
    return {name: getattr(record, name) for name in _SNAPSHOT}


def to_snapshot(row: Row[Any]) -> SnapshotRecord:
    """A snapshot from its row. Safe: `Row` is a tuple, whose method `count` hides a column of that name."""
    mapping = row._mapping
    return SnapshotRecord(**{name: mapping[name] for name in _SNAPSHOT})
