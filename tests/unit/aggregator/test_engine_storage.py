"""What the engine does when storage fails, is damaged or is opened again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.core.errors import (
    StorageError,
)
from fieldfare.core.tasks import TaskState
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import COHORT, SPEC, Work, World, check_in_all, device_id, everything_written


def test_a_full_disk_leaves_reports_pending(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 4)
    world.blobs.full = True
    for work in works[:2]:
        world.report(work, (1, 0, 0))
    assert not world.work()
    assert world.standing(works[0]) is Standing.IN_MEMORY
    for work in works[2:]:
        world.report(work, (1, 0, 0))
    assert not world.work()
    assert world.standing(works[3]) is Standing.IN_MEMORY
    world.blobs.full = False
    assert world.work()
    assert world.standing(works[3]) is Standing.COUNTED
    np.testing.assert_allclose(world.weights(1), [2, 2, 3], atol=1e-6)


@pytest.mark.parametrize("goal", [4, 9])
def test_a_lost_answer_of_the_data_base_counts_nothing_twice(world: World, goal: int) -> None:
    world.submit(replace(SPEC, training=replace(COHORT, goal_count=goal)))
    works = check_in_all(world, 4)
    for work in works:
        world.report(work, (1, 0, 0))
    world.database.after = 1
    # A snapshot can be looked up at once; after a commit, the task is read again.
    assert world.work() is (goal == 9)
    assert world.work()
    assert world.work()
    assert {world.standing(work) for work in works} == {Standing.COUNTED}
    if goal == 4:
        np.testing.assert_allclose(world.weights(1), [2, 2, 3], atol=1e-6)


def test_a_round_whose_beginning_was_not_answered_begins(world: World) -> None:
    world.submit(SPEC)
    for work in check_in_all(world, 4):
        world.report(work)
    # The answers to the commit and then to the beginning of the next round.
    world.database.after = 2
    assert not world.work()
    while world.database.after:
        world.work()
    assert world.work()
    assert [work.number for work in check_in_all(world, 4)] == [2] * 4


@pytest.mark.parametrize("blind", [0, 1])
def test_a_snapshot_whose_answer_was_lost_is_the_newest(world: World, blind: int) -> None:
    """A third report alone must not lead to a second one: their difference would be that report."""
    world.submit(replace(SPEC, training=replace(COHORT, goal_count=9)))
    works = check_in_all(world, 3)
    for work in works[:2]:
        world.report(work)
    world.database.after, world.database.blind = 1, blind
    assert world.work() is (blind == 0)
    if blind:
        assert world.standing(works[0]) is Standing.IN_MEMORY
    else:
        assert world.standing(works[0]) is Standing.COUNTED
    kept = world.snapshots()
    world.report(works[2])
    assert world.work()
    assert world.snapshots() == kept
    assert [world.standing(work) for work in works] == [Standing.COUNTED, Standing.COUNTED, Standing.IN_MEMORY]


def test_a_snapshot_that_failed_leaves_no_blob(world: World) -> None:
    world.submit(replace(SPEC, training=replace(COHORT, goal_count=9)))
    works = check_in_all(world, 3)
    for work in works[:2]:
        world.report(work)
    world.database.before, world.database.blind = 1, 1
    assert not world.work()
    world.report(works[2])
    assert world.work()
    (kept,) = world.snapshots()
    assert "/3-" in kept


def test_restart_keeps_the_acknowledged_and_asks_for_the_rest(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 4)
    for work in works[:2]:
        world.report(work, (1, 0, 0))
    world.work()
    world.report(works[2], (7, 7, 7))
    world.restart()
    standings = [world.standing(work) for work in works]
    assert standings == [Standing.COUNTED, Standing.COUNTED, Standing.ABSENT, Standing.ABSENT]
    for work in works[2:]:
        assert world.report(work, (3, 0, 0))
    world.work()
    np.testing.assert_allclose(world.weights(1), [3, 2, 3], atol=1e-6)
    world.restart()
    assert {world.standing(work) for work in works} == {Standing.COUNTED}


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "rows"])
def test_a_damaged_snapshot_fails_the_task(world: World, harm: str) -> None:
    world.submit(SPEC)
    for work in check_in_all(world, 2):
        world.report(work)
    world.work()
    path = world.folder / "blobs" / world.snapshots()[0]
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-1] ^= 1
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[:-3])
    elif harm == "gone":
        path.unlink()
    else:
        from sqlalchemy import text

        with world.database._inner._engine.begin() as connection:
            connection.execute(text("delete from counted where rowid in (select rowid from counted limit 1)"))
    world.restart()
    status = world.status()
    assert status.state == task_pb2.TASK_STATE_FAILED
    assert "cannot be read" in status.reason
    assert status.checkpoint_version == 0


@pytest.mark.parametrize("unreadable", ["snapshots/", "artifacts/"])
def test_storage_that_cannot_be_read_now_refuses_the_start_and_changes_nothing(world: World, unreadable: str) -> None:
    # An older task that is damaged for good must not be written off either before everything could be read.
    damaged = world.submit(replace(SPEC, name="damaged", population="q"))
    for work in [Work(device_id(index), world.ask(index, "q").assignment) for index in range(2)]:
        world.report(work)
    world.work()
    (world.folder / "blobs" / world.snapshots()[0]).unlink()
    task = world.submit(SPEC)
    works = check_in_all(world, 4)
    for work in works[:2]:
        world.report(work, (1, 0, 0))
    world.work()
    before = everything_written(world.folder / "blobs")
    with pytest.raises(StorageError, match="Too many open files"):
        world.restart(unreadable)
    assert everything_written(world.folder / "blobs") == before
    assert {one.state for one in world.database.tasks()} == {TaskState.RUNNING}
    world.restart()
    assert world.engine.get_task(damaged).state == task_pb2.TASK_STATE_FAILED
    world.task_id = task
    assert world.standing(works[0]) is Standing.COUNTED
    for work in works[2:]:
        world.report(work, (3, 0, 0))
    world.work()
    np.testing.assert_allclose(world.weights(1), [3, 2, 3], atol=1e-6)


def test_damaged_metric_totals_fail_the_task(world: World) -> None:
    from sqlalchemy import text

    world.submit(SPEC)
    for work in check_in_all(world, 2):
        world.report(work)
    world.work()
    with world.database._inner._engine.begin() as connection:
        connection.execute(text("update snapshots set metrics = 'x'"))
    world.restart()
    assert world.status().state == task_pb2.TASK_STATE_FAILED


def test_a_damaged_checkpoint_fails_the_task(world: World) -> None:
    world.submit(SPEC)
    path = world.folder / "blobs" / "artifacts" / world.status().checkpoint.sha256.hex()
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    for work in check_in_all(world, 4):
        world.report(work)
    world.work()
    assert world.status().state == task_pb2.TASK_STATE_FAILED
    assert "damaged" in world.status().reason


def test_orphans_are_collected_at_the_start(world: World) -> None:
    world.submit(SPEC)
    world.blobs.put("snapshots/x/1/orphan", [b"abc"])
    world.blobs.put("artifacts/" + "0" * 64, [b"abc"])
    kept = set(world.blobs.keys()) - {"snapshots/x/1/orphan", "artifacts/" + "0" * 64}
    world.restart()
    assert set(world.blobs.keys()) == kept


def test_files_that_cannot_be_removed_keep_no_others(world: World) -> None:
    from fieldfare.aggregator import ServerSettings
    from fieldfare.aggregator.settings import EngineSettings

    world.submit(replace(SPEC, rounds=4))
    digests = []
    for number in range(4):
        if number == 3:
            # From now on old versions go: three at once.
            world.settings = ServerSettings(engine=EngineSettings(keep_checkpoints=1))
            world.restart()
            world.blobs.undeletable = tuple(f"artifacts/{one.hex()}" for one in digests[:2])
        for work in check_in_all(world, 4):
            world.report(work, (number + 1, 0, 0))
        world.work()
        digests.append(world.status().checkpoint.sha256)
    # Plan, version 0, the newest version, and the two that could not be removed.
    assert len(world.keys("artifacts/")) == 5
    world.restart()
    assert len(world.keys("artifacts/")) == 3


def test_old_checkpoints_are_trimmed(tmp_path: Path) -> None:
    from fieldfare.aggregator import ServerSettings
    from fieldfare.aggregator.settings import EngineSettings

    world = World(tmp_path / "state", ServerSettings(engine=EngineSettings(keep_checkpoints=1)))
    world.submit(replace(SPEC, rounds=4))
    for number in range(4):
        for work in check_in_all(world, 4):
            world.report(work, (number + 1, 0, 0))
        world.work()
    assert world.status().checkpoint_version == 4
    # Plan, version 0, newest version.
    assert len(list(world.keys("artifacts/"))) == 3
    world.restart()
    assert world.weights(4)[0] == pytest.approx(11)
    world.database.close()
