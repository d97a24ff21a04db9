"""An aggregator on this machine, for trying the keyboard alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from examples.keyboard.app.keyboard import LEAST_EXAMPLES
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.command import quiet_log
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.protos.v1 import task_pb2

_ALONE = CohortSpec(1, 1, 1.0, timedelta(days=7), timedelta(minutes=1))
_ACTIVE = {task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_PAUSED}


@contextmanager
def local_aggregator(
    folder: Path, plan: Path, population: str, *, pause: timedelta = timedelta(seconds=5)
) -> Iterator[str]:
    """Run one on a free port of loopback, with a task in which a single keyboard makes a round.

    With one device there is no crowd to hide in: a round's checkpoint is that device's own. For trying only.

    Args:
        folder: the aggregator's state, which outlives it.
        plan: of the task, which is submitted where none is active yet.
        population: of the keyboards.
        pause: between two rounds.

    Yields:
        "host:port", for devices.

    Raises:
        FieldfareError: a folder that cannot be used, a plan that is none.
    """
    settings = ServerSettings(pace=PaceSettings(shortest=pause, longest=max(pause, timedelta(minutes=1))))
    with (
        quiet_log(),
        Aggregator(folder, settings=settings) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        if not any(one.state in _ACTIVE for one in admin.list(population)):
            admin.submit(plan, _task(population))
        yield aggregator.address


def _task(population: str) -> TaskSpec:
    return TaskSpec(
        "next-words",
        population,
        rounds=10_000,
        training=_ALONE,
        evaluation=_ALONE,
        evaluate_every=0,
        local=LocalTrainingSpec(learning_rate=0.5, min_examples=LEAST_EXAMPLES, max_examples=1000),
        aggregation=AggregationSpec(min_snapshot_updates=1),
    )
