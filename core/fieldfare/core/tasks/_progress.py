"""What a running task does next: train, evaluate, or end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from fieldfare.core.tasks._spec import TaskKind, TaskSpec
from fieldfare.protos.v1 import task_pb2


class NextRound(Enum):
    """The kind of round that comes next."""

    TRAINING = task_pb2.ROUND_KIND_TRAINING
    EVALUATION = task_pb2.ROUND_KIND_EVALUATION


@dataclass(frozen=True, slots=True)
class Finished:
    """The task is done, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """What has been committed so far.

    Attributes:
        rounds_committed: training rounds.
        evaluated_version: checkpoint version of the newest committed evaluation round; -1 for none.
        metrics: means of that evaluation round, by name.
        evaluations: evaluation rounds.
    """

    rounds_committed: int = 0
    evaluated_version: int = -1
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluations: int = 0


def next_step(spec: TaskSpec, progress: TaskProgress) -> NextRound | Finished:
    """Decide from what has been committed. Every commit of a training round adds one to the checkpoint's version.

    An evaluation follows every `evaluate_every` training rounds and the last one; the target is looked at only in the
    evaluation of the newest checkpoint, so that the model which is handed out is the one that was measured. A task of
    kind EVALUATION evaluates its one checkpoint `rounds` times, or until an evaluation reaches the target.
    """
    version = progress.rounds_committed
    evaluated = progress.evaluated_version == version
    if evaluated and (reached := _target_reached(spec, progress)) is not None:
        return reached
    trains = spec.kind is TaskKind.TRAINING
    done = version if trains else progress.evaluations
    last = done >= spec.rounds
    if trains:
        due = spec.evaluate_every > 0 and version > 0 and (version % spec.evaluate_every == 0 or last) and not evaluated
    else:
        due = not last
    if due:
        return NextRound.EVALUATION
    if last:
        target = spec.target
        missed = f"; target {target.metric} {target.value:g} not reached" if target is not None else ""
        return Finished(f"{done} rounds done{missed}")
    return NextRound.TRAINING


def _target_reached(spec: TaskSpec, progress: TaskProgress) -> Finished | None:
    target = spec.target
    if target is None or target.metric not in progress.metrics:
        return None
    mean = progress.metrics[target.metric]
    if not target.reached(mean):
        return None
    sign = "<=" if target.lower_is_better else ">="
    return Finished(f"target reached: {target.metric} {mean:.4f} {sign} {target.value:g}")
