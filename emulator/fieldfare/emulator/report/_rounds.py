"""The rounds of a task as rows that people read: a training round together with the evaluation that followed it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fieldfare.protos.v1 import task_pb2

_COMMITTED = task_pb2.ROUND_STATE_COMMITTED
_ENDED = {_COMMITTED, task_pb2.ROUND_STATE_ABANDONED}


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One committed training round.

    Attributes:
        version: checkpoint version that the round made; counts the training rounds from 1.
        train_loss: mean loss of the local training steps; NaN where none was reported.
        held_out: means over the devices' held-out examples, measured on that version; empty where none followed.
        devices_in: counted training reports.
        devices_out: devices that were asked and whose report was not counted: late, withdrawn, refused or not needed.
        bytes_up: payload bytes from the devices, evaluation included.
        bytes_down: payload bytes to the devices, evaluation included.
        seconds: from the start of the training round to the end of its evaluation.
        ended_s: when its evaluation ended, in seconds from the start of the task's first round.
        energy_j: joules of its devices, evaluation included; 0 where none are known.
    """

    version: int
    train_loss: float
    held_out: Mapping[str, float]
    devices_in: int
    devices_out: int
    bytes_up: int
    bytes_down: int
    seconds: float
    ended_s: float = 0.0
    energy_j: float = 0.0


def round_rows(rounds: Iterable[task_pb2.RoundStatus], joules: Mapping[int, float] | None = None) -> list[RoundRow]:
    """Join training and evaluation rounds by the checkpoint version; abandoned rounds only add what they cost.

    Args:
        rounds: of a task, all of them.
        joules: of each round, by its number.
    """
    listed, energy = list(rounds), joules or {}
    trained_from: dict[int, list[task_pb2.RoundStatus]] = defaultdict(list)
    evaluated: dict[int, list[task_pb2.RoundStatus]] = defaultdict(list)
    for one in listed:
        if one.kind == task_pb2.ROUND_KIND_TRAINING:
            trained_from[one.checkpoint_version].append(one)
        elif one.state in _ENDED:
            evaluated[one.checkpoint_version].append(one)
    began = min((one.started_at.ToDatetime() for one in listed), default=None)
    rows: list[RoundRow] = []
    for one in listed:
        if one.kind != task_pb2.ROUND_KIND_TRAINING or one.state != _COMMITTED or began is None:
            continue
        version = one.checkpoint_version + 1
        evaluations = evaluated[version]
        of_round = trained_from[one.checkpoint_version] + evaluations
        ended = max(other.ended_at.ToDatetime() for other in (one, *evaluations))
        rows.append(
            RoundRow(
                version=version,
                train_loss=_means(one).get("loss", float("nan")),
                held_out=_means(evaluations[-1]) if evaluations and evaluations[-1].state == _COMMITTED else {},
                devices_in=one.reported,
                devices_out=one.assigned - one.reported,
                bytes_up=sum(other.bytes_up for other in of_round),
                bytes_down=sum(other.bytes_down for other in of_round),
                seconds=(ended - one.started_at.ToDatetime()).total_seconds(),
                ended_s=(ended - began).total_seconds(),
                energy_j=sum(energy.get(other.number, 0.0) for other in of_round),
            )
        )
    return rows


def _means(status: task_pb2.RoundStatus) -> dict[str, float]:
    return {one.name: one.sum / one.weight for one in status.metrics}
