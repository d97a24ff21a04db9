"""Round statuses written by hand."""

from datetime import UTC, datetime, timedelta

from fieldfare.protos.v1 import task_pb2, tensors_pb2

TRAINING, EVALUATION = task_pb2.ROUND_KIND_TRAINING, task_pb2.ROUND_KIND_EVALUATION
SELECTING, COLLECTING = task_pb2.ROUND_STATE_SELECTING, task_pb2.ROUND_STATE_COLLECTING
COMMITTED, ABANDONED = task_pb2.ROUND_STATE_COMMITTED, task_pb2.ROUND_STATE_ABANDONED
RUNNING, COMPLETED = task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_COMPLETED

_BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def round_status(
    kind: int,
    state: int,
    version: int,
    *,
    at: float = 0.0,
    until: float | None = None,
    assigned: int = 6,
    reported: int = 4,
    up: int = 0,
    down: int = 0,
    metrics: dict[str, tuple[float, float]] | None = None,
) -> task_pb2.RoundStatus:
    """`at` and `until` are seconds; a metric is its sum and its weight."""
    status = task_pb2.RoundStatus(
        kind=kind,
        state=state,
        checkpoint_version=version,
        assigned=assigned,
        reported=reported,
        bytes_up=up,
        bytes_down=down,
        metrics=[
            tensors_pb2.MetricSum(name=name, sum=total, weight=weight)
            for name, (total, weight) in (metrics or {}).items()
        ],
    )
    status.started_at.FromDatetime(_BEGAN + timedelta(seconds=at))
    if until is not None:
        status.ended_at.FromDatetime(_BEGAN + timedelta(seconds=until))
    return status


def trained(version: int, *, loss: float, at: float, until: float, up: int = 1000, down: int = 2000):
    metrics = {"loss": (loss * 100, 100.0)}
    return round_status(TRAINING, COMMITTED, version, at=at, until=until, up=up, down=down, metrics=metrics)


def evaluated(version: int, *, accuracy: float, at: float, until: float, down: int = 300):
    metrics = {"accuracy": (accuracy * 40, 40.0), "loss": (20.0, 40.0)}
    return round_status(EVALUATION, COMMITTED, version, at=at, until=until, down=down, metrics=metrics)
