"""One device a role, over real gRPC: the aggregator here, the devices in worker processes."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.experiment.devices import Town, settle, take_part
from examples.keyboard.roles import Role
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.errors import ConfigError, StateError
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
class Federated:
    """What came of it.

    Attributes:
        weights: the last checkpoint.
        seconds: from the first round to the last.
        participations: reports that were counted.
        bytes_up: payload of all updates.
        bytes_down: payload of plans and checkpoints.
    """

    weights: Weights
    seconds: float
    participations: int
    bytes_up: int
    bytes_down: int


def train_federated(
    plan: Path,
    town: Town,
    roles: Sequence[Role],
    settings: FederatedSettings,
    state: Path,
    on_round: Callable[[int, Weights], None],
) -> Federated:
    """Run all rounds.

    Who takes part in a round is drawn from the seed, each device shuffles by its own, and the aggregator's sums do not
    depend on the order of arrival: the weights are the same for any number of processes and threads.

    Args:
        plan: with the first weights in it.
        town: where the devices live; its aggregator is set here.
        roles: one device each.
        settings: see there.
        state: the aggregator's folder.
        on_round: told each round's number and weights.
    """
    logging.getLogger("fieldfare").setLevel(logging.ERROR)
    rng = np.random.default_rng(settings.seed)
    context = multiprocessing.get_context("spawn")
    with (
        Aggregator(state, settings=ServerSettings(pace=_PACE)) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        ProcessPoolExecutor(
            settings.processes,
            mp_context=context,
            initializer=settle,
            initargs=(replace(town, aggregator=aggregator.address, threads=settings.threads),),
        ) as workers,
    ):
        began = time.monotonic()
        weights: Weights | None = None
        rounds: list[task_pb2.RoundStatus] = []
        for phase in settings.phases:
            task = admin.submit(plan, settings.task(phase), weights=weights).task_id
            for number in range(1, phase.rounds + 1):
                chosen = rng.choice(len(roles), settings.cohort, replace=False)
                # Those with much to do first, dealt out one by one, so that the processes end at about the same time.
                order = sorted(map(int, chosen), key=lambda one: -len(roles[one].training))
                shares = [order[start :: settings.processes] for start in range(settings.processes)]
                list(workers.map(take_part, shares))
                weights = _weights_after(admin, task, number)
                on_round(len(rounds) + number, weights)
            rounds.extend(admin.show(task, 0).rounds)
    if weights is None:
        raise ConfigError("needs at least one phase with a round", field="phases")
    return Federated(
        weights,
        time.monotonic() - began,
        sum(one.reported for one in rounds),
        sum(one.bytes_up for one in rounds),
        sum(one.bytes_down for one in rounds),
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
