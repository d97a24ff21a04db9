"""Records as people see them."""

import json
from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from fieldfare.aggregator.storage import CheckpointRecord, RoundRecord, TaskRecord
from fieldfare.core.aggregation import MetricTotals
from fieldfare.core.metrics import metrics_to_proto
from fieldfare.core.sessions import Artifact
from fieldfare.protos.v1 import task_pb2, tensors_pb2


def task_status(
    task: TaskRecord, checkpoint: CheckpointRecord, rounds: Iterable[RoundRecord] = (), *, evaluations: int = 0
) -> task_pb2.TaskStatus:
    """The wire form of a task and of the rounds that were asked for.

    Args:
        task: its row.
        checkpoint: the newest one.
        rounds: those that were asked for.
        evaluations: evaluation rounds that were committed.
    """
    spec = task_pb2.TaskSpec.FromString(task.spec)
    evaluates = spec.kind == task_pb2.TASK_KIND_EVALUATION
    return task_pb2.TaskStatus(
        task_id=task.task_id,
        spec=spec,
        state=task.state.value,
        reason=task.reason,
        plan=artifact_ref(task.plan),
        checkpoint_version=checkpoint.version,
        checkpoint=artifact_ref(checkpoint.artifact),
        rounds_committed=evaluations if evaluates else checkpoint.version,
        created_at=_timestamp(task.created_at),
        ended_at=_timestamp(task.ended_at),
        rounds=[round_status(one) for one in rounds],
    )


def round_status(record: RoundRecord) -> task_pb2.RoundStatus:
    """The wire form of a round."""
    return task_pb2.RoundStatus(
        number=record.number,
        kind=record.kind.value,
        state=record.state.value,
        checkpoint_version=record.checkpoint_version,
        assigned=record.assigned,
        reported=record.reported,
        withdrawn=record.withdrawn,
        refused=record.refused,
        metrics=metrics_to_proto(MetricTotals.from_json(record.metrics).sums()),
        examples=record.examples,
        bytes_up=record.bytes_up,
        bytes_down=record.bytes_down,
        started_at=_timestamp(record.started_at),
        ended_at=_timestamp(record.ended_at),
        reason=record.reason,
        refusals=[
            task_pb2.RefusalCount(reason=reason, count=count) for reason, count in json.loads(record.refusals).items()
        ],
        late=record.late,
        duplicates=record.duplicates,
    )


def artifact_ref(artifact: Artifact) -> tensors_pb2.ArtifactRef:
    """The wire form of an artifact's name."""
    return tensors_pb2.ArtifactRef(sha256=artifact.sha256, size_bytes=artifact.size_bytes)


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    proto = Timestamp()
    proto.FromDatetime(moment)
    return proto
