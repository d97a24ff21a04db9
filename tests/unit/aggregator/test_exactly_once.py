"""Whatever happens in whatever order: nothing acknowledged is lost, nothing counts twice, nothing commits below the
minimum. Hypothesis makes up the operations; a failing list of them is printed and can be kept as a test."""

import contextlib
import itertools
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fieldfare.aggregator.engine import Standing
from fieldfare.core.errors import UpdateError
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import AggregationSpec, CohortSpec, NextRound, TaskAction, TaskSpec, TaskState
from fieldfare.core.weights import unpack_weights
from tests.unit.aggregator.world import Work, World, device_id

FLEET = 9
MINIMUM = 3
COHORT = CohortSpec(5, MINIMUM, 1.4, timedelta(seconds=100), timedelta(seconds=60))
SPEC = TaskSpec(
    "t",
    "p",
    rounds=4,
    training=COHORT,
    evaluation=CohortSpec(3, 2, 1.4, timedelta(seconds=100), timedelta(seconds=60)),
    evaluate_every=2,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)
devices = st.integers(0, FLEET - 1)


def update_of(device: bytes, number: int) -> tuple[np.ndarray, int]:
    """Every device sends something else in every round, so that a wrong sum cannot come out right."""
    seed = np.random.default_rng([*device, number])
    return seed.uniform(-1, 1, 3).astype(np.float32), int(seed.integers(1, 100))


class ExactlyOnce(RuleBasedStateMachine):
    @initialize()
    def submit(self) -> None:
        # In memory where there is such a folder: thousands of commits wait for a disk otherwise.
        memory = Path("/dev/shm")  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.world = World(self.folder / "state")
        self.world.submit(SPEC)
        self.works: dict[tuple[int, int], Work] = {}
        self.acknowledged: set[tuple[int, bytes]] = set()

    @rule(indices=st.sets(devices, min_size=1))
    def check_in(self, indices: set[int]) -> None:
        for index in sorted(indices):
            if (work := self.world.check_in(index)) is not None:
                self.works[index, work.number] = work

    @rule()
    def a_whole_round(self) -> None:
        self.check_in(set(range(FLEET)))
        self.everybody_reports()
        self.world.work()

    @rule(lost=st.integers(1, 3))
    def a_whole_round_of_lost_answers(self, lost: int) -> None:
        self.check_in(set(range(FLEET)))
        self.everybody_reports()
        self.world.database.after = lost
        for _ in range(3):
            self.world.work()

    @rule(chosen=st.data())
    def report(self, chosen: st.DataObject) -> None:
        """Also reports that were made before, and those of rounds that are long over."""
        if not self.works:
            return
        for key in chosen.draw(st.lists(st.sampled_from(sorted(self.works)), min_size=1, max_size=4)):
            work = self.works[key]
            vector, count = update_of(work.device, work.number)
            with contextlib.suppress(UpdateError):
                # Refused only where the device has withdrawn.
                self.world.report(work, vector, count)

    @rule()
    def everybody_reports(self) -> None:
        for work in self.works.values():
            vector, count = update_of(work.device, work.number)
            with contextlib.suppress(UpdateError):
                # Refused only where the device has withdrawn.
                self.world.report(work, vector, count)

    @rule(chosen=st.data())
    def withdraw(self, chosen: st.DataObject) -> None:
        if self.works:
            self.world.withdraw(self.works[chosen.draw(st.sampled_from(sorted(self.works)))])

    @rule()
    def work(self) -> None:
        self.world.work()

    @rule(seconds=st.sampled_from([1, 30, 60, 100]))
    def advance(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(full=st.sampled_from([True, False, False]))
    def disk(self, full: bool) -> None:
        self.world.blobs.full = full

    @rule(fault=st.sampled_from(["before", "after", "blind"]), times=st.integers(1, 3))
    def failing_data_base(self, fault: str, times: int) -> None:
        setattr(self.world.database, fault, times)

    @rule(action=st.sampled_from([TaskAction.RESUME, TaskAction.PAUSE, TaskAction.RESUME]))
    def control(self, action: TaskAction) -> None:
        if self.world.engine.active_tasks():
            self.world.engine.control("t", action)

    @invariant()
    def acknowledged_is_on_disk(self) -> None:
        task = self.world.task_id
        for work in self.works.values():
            if self.world.standing(work) is Standing.COUNTED:
                self.acknowledged.add((work.number, work.device))
        for number, device in self.acknowledged:
            assert self.world.database.is_counted(task, number, device)

    @invariant()
    def snapshots_on_disk_do_not_show_one_device(self) -> None:
        counts: dict[str, list[int]] = {}
        for key in self.world.snapshots():
            _, _, number, name = key.split("/")
            counts.setdefault(number, []).append(int(name.partition("-")[0]))
        for found in map(sorted, counts.values()):
            assert found[0] >= 2
            assert all(second - first >= 2 for first, second in itertools.pairwise(found))

    @invariant()
    def committed_is_the_sum_of_the_counted(self) -> None:
        world, task = self.world, self.world.task_id
        assert world.database.task(task).state is not TaskState.FAILED
        expected = np.array([1, 2, 3], np.float64)
        for record in world.database.rounds(task):
            counted = world.database.counted(task, record.number)
            if record.state is RoundState.ABANDONED:
                assert not [one for one in self.acknowledged if one[0] == record.number]
                assert not counted
            if record.state is RoundState.COMMITTED:
                assert {device for number, device in self.acknowledged if number == record.number} <= counted
                assert len(counted) == record.reported
                assert len(counted) >= (MINIMUM if record.kind is NextRound.TRAINING else 2)
            elif counted:
                assert len(counted) >= 2
            if record.state is RoundState.COMMITTED and record.kind is NextRound.TRAINING:
                updates = [update_of(device, record.number) for device in sorted(counted)]
                total = sum(count for _, count in updates)
                expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
        newest = world.database.newest_checkpoint(task)
        found = unpack_weights(world.blobs.get(f"artifacts/{newest.artifact.hex}"))[1]
        np.testing.assert_allclose(found, expected, atol=2e-6)

    def teardown(self) -> None:
        try:
            self.the_task_moves_on()
        finally:
            self.world.database.close()
            shutil.rmtree(self.folder)

    def the_task_moves_on(self) -> None:
        """Whatever has happened, once nothing fails any more there is work, or the task has ended."""
        world = self.world
        world.blobs.full, world.database.before, world.database.after = False, 0, 0
        world.database.blind = 0
        self.control(TaskAction.RESUME)
        # Whoever was asked is late now, so a round that goes on asks others.
        world.advance(100)
        # The first may only find that memory is not what is on disk, and read that.
        assert world.work()
        assert world.work()
        assert not world.engine.active_tasks() or world.check_in(FLEET) is not None


ExactlyOnce.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestExactlyOnce = ExactlyOnce.TestCase


def test_the_fleet_has_ids_of_its_own() -> None:
    assert len({device_id(index) for index in range(FLEET)}) == FLEET
