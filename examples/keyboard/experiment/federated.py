"""One device a role, over real gRPC: the aggregator here, the devices in worker processes."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.experiment.devices import Town, settle, take_part
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.command import quiet_log
from fieldfare.core.errors import StateError
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import AggregationSpec, Algorithm, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2

POPULATION = "keyboards"
_PACE = PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(seconds=1))
_LIMIT = timedelta(hours=1)
_POLL_S = 0.05

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Phase:
    """A task of its own, which begins with the weights that the one before it ended with.

    Attributes:
        rounds: so many checkpoints.
        server_learning_rate: of FedAdam (Reddi et al. 2021) on the aggregator.
    """

    rounds: int
    server_learning_rate: float


@dataclass(frozen=True, slots=True)
class FederatedSettings:
    """How the federation trains.

    Attributes:
        phases: one after the other.
        cohort: devices in a round, drawn anew for each.
        learning_rate: of the devices' SGD.
        adaptivity: of FedAdam.
        epochs: passes of a device over its examples in a round.
        max_examples: a device trains on its newest so many.
        processes: worker processes.
        threads: devices that are awake at a time in each.
        seed: draws the cohorts, and shuffles.
    """

    phases: tuple[Phase, ...]
    cohort: int
    learning_rate: float
    adaptivity: float
    epochs: int
    max_examples: int
    processes: int
    threads: int
    seed: int

    def task(self, phase: Phase) -> TaskSpec:
        """The task of a phase."""
        cohort = CohortSpec(self.cohort, self.cohort, 1.0, _LIMIT, _LIMIT)
        return TaskSpec(
            "next-words",
            POPULATION,
            rounds=phase.rounds,
            training=cohort,
            evaluation=cohort,
            evaluate_every=0,
            local=LocalTrainingSpec(
                epochs=self.epochs, learning_rate=self.learning_rate, max_examples=self.max_examples
            ),
            aggregation=AggregationSpec(
                algorithm=Algorithm.FEDADAM,
                server_learning_rate=phase.server_learning_rate,
                adaptivity=self.adaptivity,
                min_snapshot_updates=min(2, self.cohort),
            ),
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of the phases so far.

    Attributes:
        weights: the last checkpoint; None before the first phase: the plan's own.
        phases: that are done.
        rounds: of these phases.
        seconds: from the first round to the last.
        participations: reports that were counted.
        bytes_up: payload of all updates.
        bytes_down: payload of plans and checkpoints.
    """

    weights: Weights | None = None
    phases: int = 0
    rounds: int = 0
    seconds: float = 0.0
    participations: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


def train_federated(
    plan: Path,
    town: Town,
    settings: FederatedSettings,
    state: Path,
    *,
    before: Trained,
    on_round: Callable[[int, Weights], None],
    on_phase: Callable[[Trained], None],
) -> Trained:
    """Run the phases that are left.

    Who takes part in a round is drawn from the seed, each device shuffles by its own, and the aggregator's sums do not
    depend on the order of arrival: the weights are the same for any number of processes and threads, and whether the
    phases are run at once or one by one.

    Args:
        plan: with the first weights in it.
        town: where the devices live; its aggregator is set here.
        settings: see there.
        state: the aggregator's folder.
        before: the phases that are done.
        on_round: told each round's number and weights.
        on_phase: told what there is after each phase.
    """
    rng = np.random.default_rng(settings.seed)
    cohorts = (rng.choice(len(town.names), settings.cohort, replace=False) for _ in count())
    context = multiprocessing.get_context("spawn")
    with (
        quiet_log(),
        Aggregator(state, settings=ServerSettings(pace=_PACE)) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        ProcessPoolExecutor(
            settings.processes,
            mp_context=context,
            initializer=settle,
            initargs=(replace(town, aggregator=aggregator.address, threads=settings.threads),),
        ) as workers,
    ):
        for _ in range(before.rounds):
            next(cohorts)
        for phase in settings.phases[before.phases :]:
            began = time.monotonic()
            weights = before.weights
            task = admin.submit(plan, settings.task(phase), weights=weights).task_id
            for number in range(1, phase.rounds + 1):
                order = sorted(map(int, next(cohorts)))
                shares = [order[start :: settings.processes] for start in range(settings.processes)]
                list(workers.map(take_part, shares))
                weights = _weights_after(admin, task, number)
                on_round(before.rounds + number, weights)
            before = _after(before, weights, admin.show(task, 0).rounds, time.monotonic() - began)
            on_phase(before)
    return before


def _after(before: Trained, weights: Weights | None, rounds: Sequence[task_pb2.RoundStatus], seconds: float) -> Trained:
    return Trained(
        weights,
        before.phases + 1,
        before.rounds + len(rounds),
        before.seconds + seconds,
        before.participations + sum(one.reported for one in rounds),
        before.bytes_up + sum(one.bytes_up for one in rounds),
        before.bytes_down + sum(one.bytes_down for one in rounds),
    )


def _weights_after(admin: AdminClient, task: str, rounds: int) -> Weights:
    """The checkpoint that so many rounds have made; each device was told already that it is counted."""
    deadline = time.monotonic() + _LIMIT.total_seconds()
    while (status := admin.show(task)).checkpoint_version < rounds:
        if status.state not in {task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_COMPLETED}:
            raise StateError(f"the task ended early: {status.reason}")
        if time.monotonic() > deadline:
            raise StateError(f"round {rounds} was not committed")
        time.sleep(_POLL_S)
    return _weights(admin, status)


def _weights(admin: AdminClient, status: task_pb2.TaskStatus) -> Weights:
    return unpack_weights(admin.fetch(status.checkpoint))[1]
