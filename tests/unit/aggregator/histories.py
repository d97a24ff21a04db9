"""What generated sequences of operations act on: tasks of every kind in one population, and what must hold of them."""

import gc
import itertools
import weakref
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest import mock

import numpy as np

from fieldfare.aggregator.engine import Standing
from fieldfare.aggregator.engine._accumulator import Accumulator
from fieldfare.aggregator.storage import RoundRecord
from fieldfare.core.aggregation import staleness_weight
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    AsynchronousSpec,
    CohortSpec,
    Combiner,
    NextRound,
    TaskAction,
    TaskKind,
    TaskSpec,
    TaskState,
)
from fieldfare.core.weights import unpack_weights
from tests.unit.aggregator.world import Work, World, device_id

FLEET = 9
MINIMUM = 3
START = np.array([1, 2, 3], np.float64)
COHORT = CohortSpec(5, MINIMUM, 1.4, timedelta(seconds=100), timedelta(seconds=60))
EVALUATION = CohortSpec(3, 2, 1.4, timedelta(seconds=100), timedelta(seconds=60))
SYNC = TaskSpec(
    "sync",
    "p",
    rounds=4,
    training=COHORT,
    evaluation=EVALUATION,
    evaluate_every=2,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)
BUFFERED = replace(
    SYNC,
    name="buffered",
    rounds=8,
    training=CohortSpec(3, MINIMUM, 1.0, timedelta(seconds=100), timedelta(seconds=60)),
    aggregation=AggregationSpec(Algorithm.FEDBUFF, min_snapshot_updates=2),
    asynchronous=AsynchronousSpec(concurrency=6, max_staleness=2),
)
MEDIAN = replace(SYNC, name="median", aggregation=AggregationSpec(combiner=Combiner.MEDIAN, min_snapshot_updates=2))
MEASURED = replace(SYNC, name="evaluation", kind=TaskKind.EVALUATION)
KINDS = (SYNC, BUFFERED, MEDIAN, MEASURED)


def update_of(name: str, device: bytes, number: int) -> tuple[np.ndarray, int]:
    """Every device sends something else for every assignment, so that a wrong sum cannot come out right."""
    seed = np.random.default_rng([*device, number, len(name)])
    return seed.uniform(-1, 1, 3).astype(np.float32), int(seed.integers(1, 100))


@dataclass
class History:
    """One world, its tasks, and what devices and the test remember of them.

    Attributes:
        works: assignments by task, device and round.
        acknowledged: the same of those whose receipt said so.
        spoilt: tasks whose stored state the test has damaged, or that it has cancelled.
        live: sums that are in memory.
    """

    world: World
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    works: dict[tuple[str, bytes, int], Work] = field(default_factory=dict)
    acknowledged: set[tuple[str, bytes, int]] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    live: "weakref.WeakSet[Accumulator]" = field(default_factory=weakref.WeakSet)

    def submit(self, spec: TaskSpec) -> None:
        # Known ids, so that the same operations come to the same tasks each time.
        number = len(self.tasks) + 1
        with mock.patch("secrets.token_hex", lambda nbytes: f"{number:0{2 * nbytes}x}"):
            self.tasks[self.world.submit(spec)] = spec

    def check_in(self, index: int, **capabilities: Any) -> None:
        answer = self.world.ask(index, **capabilities)
        if answer.WhichOneof("answer") == "assignment":
            work = Work(device_id(index), answer.assignment)
            self.works[work.assignment.task_id, work.device, work.number] = work

    def report(self, key: tuple[str, bytes, int]) -> None:
        work = self.works[key]
        vector, count = update_of(self.tasks[key[0]].name, work.device, work.number)
        self.world.report(work, vector, count)

    def work(self) -> bool:
        """Whether everything could be written, for all tasks."""
        done = True
        for task in self.world.engine.active_tasks():
            self.world.task_id = task
            done &= self.world.work()
        return done

    # What must hold after every operation.

    def check(self) -> None:
        self.acknowledged_is_on_disk()
        self.snapshots_do_not_show_one_device()
        for task, spec in self.tasks.items():
            self.committed_is_what_the_counted_make(task, spec)
        self.nothing_is_held_for_rounds_that_are_over()

    def acknowledged_is_on_disk(self) -> None:
        for key, work in self.works.items():
            if self.world.standing(work) is Standing.COUNTED:
                self.acknowledged.add(key)
        for task, device, number in self.acknowledged:
            if task not in self.spoilt:
                assert self.world.database.is_counted(task, number, device)

    def snapshots_do_not_show_one_device(self) -> None:
        counts: dict[tuple[str, str], list[int]] = {}
        for key in self.world.snapshots():
            _, task, number, name = key.split("/")
            counts.setdefault((task, number), []).append(int(name.partition("-")[0]))
        for found in map(sorted, counts.values()):
            assert found[0] >= 2
            assert all(second - first >= 2 for first, second in itertools.pairwise(found))

    def committed_is_what_the_counted_make(self, task: str, spec: TaskSpec) -> None:
        database = self.world.database
        state = database.task(task).state
        assert (state is TaskState.FAILED) <= (task in self.spoilt)
        rounds = database.rounds(task)
        versions = {record.number: record.checkpoint_version for record in rounds}
        expected, seen = START.copy(), set[tuple[bytes, int]]()
        for record in rounds:
            counted = database.counted(task, record.number)
            earlier = database.counted_earlier(task, record.number)
            assignments = {(device, earlier.get(device, record.number)) for device in counted}
            assert not assignments & seen
            seen |= assignments
            training = record.kind is NextRound.TRAINING
            if record.state is RoundState.COMMITTED:
                assert len(counted) == record.reported >= (MINIMUM if training else 2)
                if training:
                    expected += self._step(spec, record, sorted(assignments), versions)
            elif counted:
                assert len(counted) >= 2
        newest = database.newest_checkpoint(task)
        found = unpack_weights(self.world.blobs.get(f"artifacts/{newest.artifact.hex}"))[1]
        np.testing.assert_allclose(found, expected, atol=3e-6)

    def _step(
        self, spec: TaskSpec, record: RoundRecord, assignments: list[tuple[bytes, int]], versions: dict[int, int]
    ) -> np.ndarray:
        updates = [update_of(spec.name, device, number) for device, number in assignments]
        vectors = np.array([vector.astype(np.float64) for vector, _ in updates])
        if spec.aggregation.combiner is Combiner.MEDIAN:
            return np.median(vectors, axis=0)
        weights = np.array([count for _, count in updates], np.float64)
        if spec.aggregation.algorithm is Algorithm.FEDBUFF:
            stale = [record.checkpoint_version - versions[number] for _, number in assignments]
            assert max(stale) <= spec.asynchronous.max_staleness
            weights *= [staleness_weight(one, spec.asynchronous.staleness_exponent) for one in stale]
        return np.asarray(weights @ vectors / weights.sum())

    def nothing_is_held_for_rounds_that_are_over(self) -> None:
        tasks = self.world.engine._tasks
        wanted = sum(run is not None and run.open is not None for run in map(tasks.find, tasks.ids()))
        if len(self.live) > wanted:
            # What an exception's traceback or a cycle still held.
            gc.collect()
        assert len(self.live) <= wanted

    # What must hold at the end.

    def every_task_moves_on(self) -> None:
        """Once nothing fails any more every task has work or has ended, and a round that gets its reports commits."""
        world = self.world
        world.blobs.full, world.database.before, world.database.after, world.database.blind = False, 0, 0, 0
        world.database.lose.clear()
        for task in world.engine.active_tasks():
            world.engine.control(task, TaskAction.RESUME)
        # Whoever was asked is late now, so a round that goes on asks others.
        world.advance(100)
        # The first may only find that memory is not what is on disk, and read that.
        self.work()
        assert self.work()
        active = set(world.engine.active_tasks())
        given = {key[0] for key in self._strangers(10 * len(active))}
        assert given == active, f"no work for devices of {active - given}"
        for key in list(self.works):
            if world.standing(self.works[key]) is Standing.ABSENT:
                self.report(key)
        committed = {task: _committed(world, task) for task in active}
        assert self.work()
        assert all(_committed(world, task) > committed[task] for task in active), (
            "a round with its goal is not committed"
        )

    def _strangers(self, count: int) -> list[tuple[str, bytes, int]]:
        """Devices that have never been here check in; what they are given."""
        before = set(self.works)
        for index in range(1000, 1000 + count):
            self.check_in(index)
        return sorted(set(self.works) - before)


def _committed(world: World, task: str) -> int:
    return sum(record.state is RoundState.COMMITTED for record in world.database.rounds(task))
