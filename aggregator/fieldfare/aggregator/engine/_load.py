"""What a task does at this moment, from memory."""

from collections.abc import Mapping
from dataclasses import dataclass

from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.core.rounds import Buffer
from fieldfare.core.tasks import TaskState


@dataclass(frozen=True, slots=True)
class TaskLoad:
    """Figures of one active task and its open round; without a round, the figures of the round are 0.

    Attributes:
        metrics: means by name, of the newest evaluation round.
        buffered: whether the open round is a buffer, in which reports of earlier ones count too.
        round_goal: reports wanted.
        round_assigned: devices asked.
        round_reported: counted reports.
        reports_pending: reports in memory that no snapshot holds yet.
    """

    task_id: str
    name: str
    state: TaskState
    rounds_committed: int
    rounds_wanted: int
    metrics: Mapping[str, float]
    round_number: int = 0
    buffered: bool = False
    round_goal: int = 0
    round_assigned: int = 0
    round_reported: int = 0
    reports_pending: int = 0


def task_load(run: TaskRun) -> TaskLoad:
    """The task's figures now."""
    current = run.open
    row = None if current is None else run.row(current)
    return TaskLoad(
        task_id=run.task_id,
        name=run.spec.name,
        state=run.state,
        rounds_committed=run.progress.rounds_committed,
        rounds_wanted=run.spec.rounds,
        metrics=dict(run.progress.metrics or {}),
        round_number=0 if current is None else current.number,
        buffered=current is not None and isinstance(current.machine, Buffer),
        round_goal=0 if current is None else current.machine.spec.goal_count,
        round_assigned=0 if row is None else row.assigned,
        round_reported=0 if row is None else row.reported,
        reports_pending=0 if current is None else run.pending(current),
    )
