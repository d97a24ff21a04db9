"""The rounds of a task as rows that people read: a training round together with the evaluation that followed it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fieldfare.protos.v1 import task_pb2

_COMMITTED = task_pb2.ROUND_STATE_COMMITTED


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One committed training round.

    Attributes:
        version: checkpoint version that the round made; counts the training rounds from 1.
        train_loss: mean loss of the local training steps.
        held_out: means over the devices' held-out examples, measured on that version; empty where none followed.
        devices_in: counted training reports.
        devices_out: devices that were asked and whose report was not counted: late, withdrawn, refused or not needed.
        bytes_up: payload bytes from the devices, evaluation included.
        bytes_down: payload bytes to the devices, evaluation included.
        seconds: from the start of the training round to the end of its evaluation.
    """

    version: int
    train_loss: float
    held_out: Mapping[str, float]
    devices_in: int
    devices_out: int
    bytes_up: int
    bytes_down: int
    seconds: float


def round_rows(rounds: Iterable[task_pb2.RoundStatus]) -> list[RoundRow]:
    """Join training and evaluation rounds by the checkpoint version; abandoned rounds only add their bytes."""
    listed = list(rounds)
    rows: list[RoundRow] = []
    trained = [one for one in listed if one.kind == task_pb2.ROUND_KIND_TRAINING and one.state == _COMMITTED]
    for one in trained:
        version = one.checkpoint_version + 1
        evaluations = [other for other in listed if _evaluates(other, version)]
        of_round = [other for other in listed if _trains_from(other, one.checkpoint_version)] + evaluations
        ended = max(other.ended_at.ToDatetime() for other in (one, *evaluations))
        held_out = _means(evaluations[-1]) if evaluations and evaluations[-1].state == _COMMITTED else {}
        rows.append(
            RoundRow(
                version=version,
                train_loss=_means(one).get("loss", float("nan")),
                held_out=held_out,
                devices_in=one.reported,
                devices_out=one.assigned - one.reported,
                bytes_up=sum(other.bytes_up for other in of_round),
                bytes_down=sum(other.bytes_down for other in of_round),
                seconds=(ended - one.started_at.ToDatetime()).total_seconds(),
            )
        )
    return rows


def _trains_from(status: task_pb2.RoundStatus, version: int) -> bool:
    return status.kind == task_pb2.ROUND_KIND_TRAINING and status.checkpoint_version == version


def _evaluates(status: task_pb2.RoundStatus, version: int) -> bool:
    ended = status.state in {_COMMITTED, task_pb2.ROUND_STATE_ABANDONED}
    return status.kind == task_pb2.ROUND_KIND_EVALUATION and status.checkpoint_version == version and ended


def _means(status: task_pb2.RoundStatus) -> dict[str, float]:
    return {one.name: one.sum / one.weight for one in status.metrics}
