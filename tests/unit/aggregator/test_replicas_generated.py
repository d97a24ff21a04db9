"""Three replicas through made-up sequences of calls, lags, failures of the data base, deaths and silences.

After each step: who was acknowledged is counted; who is told that the round went on without it is not. In the end the
task completes, and every checkpoint is the average over exactly the counted devices.
"""

import random
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.core.errors import StorageError
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec, TaskState
from tests.unit.aggregator.world import Work, World, device_id

DEVICES = 16
STEPS = 120
SPEC = TaskSpec(
    "t",
    "p",
    rounds=3,
    training=CohortSpec(6, 3, 1.5),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)


def update_of(device: bytes, number: int) -> tuple[np.ndarray, int]:
    """Eighths, so that every sum is exact."""
    seed = np.random.default_rng([*device, number])
    return seed.integers(-40, 40, 3).astype(np.float32) / 8, int(seed.integers(1, 5))


class Fleet:
    """Devices that call any replica."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.worlds = [World(folder, replica=name) for name in ("red", "green", "blue")]
        self.worlds[0].submit(SPEC)
        self.task_id = self.worlds[0].task_id
        for world in self.worlds:
            world.task_id = self.task_id
        self.works: dict[int, Work] = {}
        self.acknowledged: set[tuple[int, bytes]] = set()

    @property
    def world(self) -> World:
        return self.chance.choice(self.worlds)

    @property
    def rows(self):
        return self.worlds[0].database._inner

    def close(self) -> None:
        for world in self.worlds:
            world.database.close()

    # What may happen.

    def check_in(self) -> None:
        index = self.chance.randrange(DEVICES)
        if index not in self.works and (work := self.world.check_in(index)) is not None:
            self.works[index] = work

    def report(self) -> None:
        if self.works:
            work = self.works[self.chance.choice(list(self.works))]
            vector, count = update_of(work.device, work.number)
            self.world.report(work, vector, count)

    def ask(self) -> None:
        if not self.works:
            return
        index = self.chance.choice(list(self.works))
        work = self.works[index]
        standing = self.world.standing(work)
        if standing is Standing.COUNTED:
            self.acknowledged.add((work.number, work.device))
        if standing is Standing.GONE:
            assert not self.rows.is_counted(self.task_id, work.number, work.device)
        if standing in {Standing.COUNTED, Standing.GONE}:
            del self.works[index]

    def work(self) -> None:
        world = self.world
        world.engine.look_around()
        world.work()

    def advance(self) -> None:
        seconds = self.chance.choice([0.1, 1, 5, 11])
        for world in self.worlds:
            world.advance(seconds)

    def restart(self) -> None:
        self.world.restart()

    def fail(self) -> None:
        world = self.world
        if self.chance.random() < 0.5:
            world.database.before += self.chance.randint(1, 3)
        else:
            world.database.after += 1

    def step(self) -> None:
        ways = [self.check_in] * 5 + [self.report] * 6 + [self.ask] * 4 + [self.work] * 5
        ways += [self.advance] * 2 + [self.restart, self.fail]
        try:
            self.chance.choice(ways)()
        except StorageError as error:
            # What the data base has refused on demand is asked again later.
            assert "disk I/O error" in str(error) or "the answer was lost" in str(error)  # noqa: PT017

    # What must hold.

    def check(self) -> None:
        for number, device in self.acknowledged:
            assert self.rows.is_counted(self.task_id, number, device)

    def check_result(self) -> None:
        rounds = self.rows.rounds(self.task_id)
        expected = np.array([1, 2, 3], np.float64)
        for one in rounds:
            counted = self.rows.counted(self.task_id, one.number)
            if one.state is not RoundState.COMMITTED:
                assert not counted
                continue
            assert len(counted) == one.reported >= SPEC.training.minimum
            updates = [update_of(device, one.number) for device in counted]
            total = sum(count for _, count in updates)
            assert one.examples == total
            expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
        np.testing.assert_allclose(self.worlds[0].weights(3), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_each_report_counts_once_or_not_at_all(tmp_path: Path, seed: int) -> None:
    fleet = Fleet(tmp_path / "state", seed)
    for _ in range(STEPS):
        fleet.step()
        fleet.check()
    # From here on nothing fails: the task must come to its end.
    for world in fleet.worlds:
        world.database.before = world.database.after = 0
    for _ in range(3000):
        if fleet.rows.task(fleet.task_id).state.ended:
            break
        fleet.chance.choice([fleet.check_in, fleet.report, fleet.ask, fleet.work, fleet.work, fleet.advance])()
    assert fleet.rows.task(fleet.task_id).state is TaskState.COMPLETED
    fleet.check()
    fleet.check_result()
    assert {work.device for work in fleet.works.values()} <= {device_id(index) for index in range(DEVICES)}
    fleet.close()
