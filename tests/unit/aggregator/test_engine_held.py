"""Combiners that need every single update: held until the commit, and never written where anybody could read them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.aggregator.engine._held import HeldUpdates, Holds
from fieldfare.aggregator.settings import EngineSettings, ServerSettings
from fieldfare.core.aggregation import combine
from fieldfare.core.errors import StorageError
from fieldfare.core.tasks import AggregationSpec, Combiner, TaskAction
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import COHORT, SPEC, World, check_in_all, everything_written

MEDIAN = AggregationSpec(combiner=Combiner.MEDIAN)
TASK = replace(SPEC, training=replace(COHORT, minimum=3), aggregation=MEDIAN)


@pytest.fixture(params=[2**20, 30, 0], ids=["in memory", "both", "on disk"])
def held_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "state", ServerSettings(engine=EngineSettings(max_held_bytes=request.param)))
    yield world
    world.database.close()


def left(world: World) -> int:
    """Bytes that may still be held in memory."""
    return world.engine._rounds._holds._left  # type: ignore[attr-defined, no-any-return]


def test_the_median_of_the_round_and_receipts_at_the_commit(held_world: World) -> None:
    world = held_world
    world.submit(TASK)
    works = check_in_all(world, 4)
    before = everything_written(world.folder)
    for work, value in zip(works[:3], (0.123456, 5.0, 100.0), strict=True):
        world.report(work, (value, -value, 0))
        assert world.work()
        assert world.standing(work) is Standing.IN_MEMORY
    # Nothing is written before the commit, neither an update nor who has sent one.
    assert everything_written(world.folder) == before
    world.report(works[3], (6, -6, 0))
    assert world.work()
    assert {world.standing(work) for work in works} == {Standing.COUNTED}
    np.testing.assert_allclose(world.weights(1), [6.5, -3.5, 3], atol=1e-6)
    assert left(world) == world.settings.engine.max_held_bytes


def test_after_a_restart_every_device_sends_again(held_world: World) -> None:
    world = held_world
    world.submit(TASK)
    works = check_in_all(world, 4)
    for work in works[:3]:
        world.report(work, (9, 9, 9))
    world.work()
    world.restart()
    assert {world.standing(work) for work in works} == {Standing.ABSENT}
    for work, value in zip(works, (1.0, 2.0, 3.0, 4.0), strict=True):
        assert world.report(work, (value, 0, 0))
    world.work()
    np.testing.assert_allclose(world.weights(1), [3.5, 2, 3], atol=1e-6)


@pytest.mark.parametrize("end", ["cancel", "abandon", "lost answer", "lost answer to cancel", "cancelled twice"])
def test_memory_is_given_back_however_the_round_ends(held_world: World, end: str) -> None:
    world = held_world
    world.submit(TASK)
    works = check_in_all(world, 4)
    for work in works[:2]:
        world.report(work)
    if end == "cancel":
        world.engine.control("t", TaskAction.CANCEL)
    elif end == "abandon":
        world.advance(100)
        assert world.work()
        assert world.status().rounds[0].state == task_pb2.ROUND_STATE_ABANDONED
    elif end == "lost answer":
        for work in works[2:]:
            world.report(work)
        world.database.after = 1
        assert not world.work() or world.status().rounds_committed == 1
        assert world.work()
        assert world.status().rounds_committed == 1
    else:
        world.database.lose.add("set_task_state")
        with pytest.raises(StorageError, match="answer was lost"):
            world.engine.control("t", TaskAction.CANCEL)
        if end == "cancelled twice":
            assert world.engine.control("t", TaskAction.CANCEL).state == task_pb2.TASK_STATE_CANCELLED
        else:
            world.advance(100)
            assert world.work()
        assert world.engine.active_tasks() == []
    assert left(world) == world.settings.engine.max_held_bytes
    assert not world.report(works[2]) or end == "abandon"


def test_a_commit_that_fails_keeps_what_is_held(held_world: World) -> None:
    world = held_world
    world.submit(TASK)
    works = check_in_all(world, 4)
    for work, value in zip(works, (1.0, 2.0, 3.0, 4.0), strict=True):
        world.report(work, (value, 0, 0))
    world.blobs.full = True
    assert not world.work()
    assert {world.standing(work) for work in works} == {Standing.IN_MEMORY}
    world.blobs.full = False
    assert world.work()
    np.testing.assert_allclose(world.weights(1), [3.5, 2, 3], atol=1e-6)


def test_a_round_that_lost_an_update_it_held_is_abandoned_and_the_next_one_begins(tmp_path: Path) -> None:
    world = World(tmp_path / "state", ServerSettings(engine=EngineSettings(max_held_bytes=0)))
    world.submit(TASK)
    works = check_in_all(world, 4)
    for work in works:
        assert world.report(work)
    current = world.engine._tasks.find(world.task_id).open  # type: ignore[union-attr]
    with file_of(current.accumulator._held).open("r+b") as file:  # type: ignore[union-attr, arg-type]
        file.write(b"changed")
    assert world.work()
    lost, after = world.status().rounds
    assert (lost.state, lost.reason) == (
        task_pb2.ROUND_STATE_ABANDONED,
        "an update that is held on disk was changed there",
    )
    assert after.number == 2
    assert {world.standing(work) for work in works} == {Standing.GONE}
    for work, value in zip(check_in_all(world, 4), (1.0, 2.0, 3.0, 4.0), strict=True):
        assert world.report(work, (value, 0, 0))
    assert world.work()
    np.testing.assert_allclose(world.weights(1), [3.5, 2, 3], atol=1e-6)
    world.database.close()


def test_evaluations_of_such_a_task_are_sums_as_ever(world: World) -> None:
    world.submit(replace(TASK, evaluate_every=1))
    for _ in range(2):
        for work in check_in_all(world, 4):
            world.report(work)
        assert world.work()
    assert world.status().rounds[1].reported == 4


@pytest.mark.parametrize("size", [1, 4096, 10_000])
@pytest.mark.parametrize("combiner", [Combiner.MEDIAN, Combiner.TRIMMED_MEAN, Combiner.KRUM, Combiner.MULTI_KRUM])
def test_where_updates_are_held_does_not_matter(tmp_path: Path, combiner: Combiner, size: int) -> None:
    rng = np.random.default_rng(1)
    updates = {bytes([index]) * 16: rng.normal(size=size).astype(np.float32) for index in range(9)}
    spec = AggregationSpec(combiner=combiner, krum_selected=3)
    expected = combine(spec, [updates[device] for device in sorted(updates)])
    for limit in (10**9, 4 * 4 * size, 0):
        held = HeldUpdates(spec, size, Holds(limit, tmp_path))
        for device in sorted(updates, reverse=True):
            held.add(device, updates[device])
        np.testing.assert_array_equal(held.combined(), expected)
        held.close()
    assert not list(tmp_path.iterdir())


def file_of(held: HeldUpdates) -> Path:
    """The file without a name, as the process still sees it."""
    assert held._file is not None
    return Path(f"/proc/self/fd/{held._file.fileno()}")


def test_what_is_on_disk_cannot_be_read_nor_changed_unnoticed(tmp_path: Path) -> None:
    update = np.full(5000, 0.7654321, np.float32)
    held = HeldUpdates(MEDIAN, update.size, Holds(0, tmp_path))
    for index in range(2):
        held.add(bytes([index]) * 16, update)
    content = file_of(held).read_bytes()
    assert update[:2].tobytes() not in content
    # Equal values do not look equal.
    assert len({content[start : start + 16] for start in range(0, len(content), 16)}) > len(content) // 17
    with file_of(held).open("r+b") as file:
        file.seek(100)
        file.write(b"changed")
    with pytest.raises(StorageError, match="was changed"):
        held.combined()


def test_a_folder_that_cannot_be_written_refuses_the_update_and_keeps_nothing(tmp_path: Path) -> None:
    held = HeldUpdates(MEDIAN, 3, Holds(12, tmp_path / "absent"))
    held.add(b"a" * 16, np.ones(3, np.float32))
    with pytest.raises(StorageError, match="cannot be held"):
        held.add(b"b" * 16, np.ones(3, np.float32))
    np.testing.assert_array_equal(held.combined(), np.ones(3, np.float32))
