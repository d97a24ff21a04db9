"""FedBuff: devices begin whenever there is room, and report into the buffer that is open then."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.aggregator.settings import EngineSettings, ServerSettings
from fieldfare.core.errors import UpdateError
from fieldfare.core.tasks import AggregationSpec, Algorithm, AsynchronousSpec, CohortSpec, TaskAction, Weighting
from fieldfare.core.weights import sha256
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import SPEC, Work, World, check_in_all, device_id

COHORT = CohortSpec(2, 2, 1.0, timedelta(seconds=100), timedelta(seconds=60))
BUFFERED = replace(
    SPEC,
    rounds=20,
    training=COHORT,
    evaluation=COHORT,
    aggregation=AggregationSpec(Algorithm.FEDBUFF),
    asynchronous=AsynchronousSpec(concurrency=5, max_staleness=2, staleness_exponent=1.0),
)


def moved(by: float) -> list[float]:
    """The weights at the start, the first of them so much further on."""
    return [1 + by, 2, 3]


def commit(world: World, works: list[Work], *values: tuple[float, int]) -> None:
    for work, (value, count) in zip(works, values, strict=True):
        assert world.report(work, (value, 0, 0), count)
    assert world.work()


def fresh_buffer(world: World, first: int) -> None:
    """One commit by two devices that nobody else has."""
    commit(world, check_in_all(world, 2, first), (0.0, 1), (0.0, 1))


def test_reports_of_earlier_assignments_weigh_less(world: World) -> None:
    world.submit(BUFFERED)
    works = check_in_all(world, 5)
    assert world.check_in(5) is None
    commit(world, works[:2], (1.0, 2), (4.0, 4))
    # (1 * 2 + 4 * 4) / 6, both of them fresh.
    np.testing.assert_allclose(world.weights(1), moved(3), atol=1e-6)
    fresh = check_in_all(world, 1, 10)[0]
    assert (fresh.number, fresh.assignment.checkpoint_version) == (2, 1)
    assert fresh.assignment.algorithm == task_pb2.ALGORITHM_FEDAVG
    commit(world, [works[2], fresh], (1.0, 3), (4.0, 3))
    # Staleness 1 halves the weight: (1 * 1.5 + 4 * 3) / 4.5 = 3.
    np.testing.assert_allclose(world.weights(2), moved(6), atol=1e-6)
    assert {world.standing(work) for work in [*works[:3], fresh]} == {Standing.COUNTED}
    assert {world.standing(work) for work in works[3:]} == {Standing.ABSENT}


def test_uniform_weights_and_thirds(world: World) -> None:
    aggregation = AggregationSpec(Algorithm.FEDBUFF, Weighting.UNIFORM)
    world.submit(replace(BUFFERED, aggregation=aggregation))
    (slow,) = check_in_all(world, 1)
    fresh_buffer(world, 10)
    fresh_buffer(world, 20)
    (fresh,) = check_in_all(world, 1, 30)
    commit(world, [slow, fresh], (1.0, 90), (0.0, 1))
    # Staleness 2: 1/3, which is 85/256.
    np.testing.assert_allclose(world.weights(3)[0] - 1, (85 / 256) / (1 + 85 / 256), atol=1e-6)


def test_too_stale_is_late(world: World) -> None:
    world.submit(BUFFERED)
    (slow,) = check_in_all(world, 1)
    for first in (10, 20, 30):
        assert world.standing(slow) is Standing.ABSENT
        fresh_buffer(world, first)
    assert world.standing(slow) is Standing.GONE
    assert not world.report(slow)
    world.restart()
    assert world.standing(slow) is Standing.GONE


@pytest.mark.parametrize("restarted", [False, True])
def test_evaluations_that_nobody_takes_part_in_make_nothing_stale(world: World, restarted: bool) -> None:
    patient = replace(COHORT, report_timeout=timedelta(hours=1))
    asynchronous = replace(BUFFERED.asynchronous, max_staleness=1)
    world.submit(replace(BUFFERED, training=patient, asynchronous=asynchronous, evaluate_every=1))
    works = check_in_all(world, 3)
    commit(world, works[:2], (1.0, 1), (1.0, 1))
    for _ in range(7):
        world.advance(100)
        assert world.work()
    for work in check_in_all(world, 2, 20):
        assert world.report(work)
    assert world.work()
    (fresh,) = check_in_all(world, 1, 10)
    assert (fresh.number, fresh.assignment.checkpoint_version) == (10, 1)
    if restarted:
        world.restart()
    # One checkpoint old, so it counts for a half: (3 * 1 + 0 * 2) / 3 = 1.
    commit(world, [works[2], fresh], (3.0, 2), (0.0, 2))
    np.testing.assert_allclose(world.weights(2), moved(2), atol=1e-6)


def test_an_assignment_counts_once_whatever_buffer_it_came_to(world: World) -> None:
    world.submit(BUFFERED)
    (slow,) = check_in_all(world, 1)
    fresh_buffer(world, 10)
    header = world.header(slow)
    ticket = world.engine.reports.read_ticket(header)
    copies = [world.engine.reports.admit(ticket, header) for _ in range(2)]
    (fresh,) = check_in_all(world, 1, 20)
    commit(world, [slow, fresh], (1.0, 1), (1.0, 1))
    # Copies that were under way while the first one was counted, and that buffer committed, come into the next one.
    payload = np.zeros(3, np.float32).tobytes()
    for copy in copies:
        assert copy is not None
        assert not world.engine.reports.add(copy, payload, sha256(payload))
    assert world.standing(slow) is Standing.COUNTED
    assert not world.report(slow)
    world.restart()
    assert world.standing(slow) is Standing.COUNTED
    assert world.status().rounds[-1].reported == 0


def test_a_report_under_way_at_a_commit_counts_in_the_next_buffer(world: World) -> None:
    world.submit(BUFFERED)
    (slow,) = check_in_all(world, 1)
    header = world.header(slow, 3)
    admission = world.engine.reports.admit(world.engine.reports.read_ticket(header), header)
    assert admission is not None
    fresh_buffer(world, 10)
    payload = np.array([1, 0, 0], np.float32).tobytes()
    assert world.engine.reports.add(admission, payload, sha256(payload))
    assert world.standing(slow) is Standing.IN_MEMORY
    (fresh,) = check_in_all(world, 1, 20)
    commit(world, [fresh], (4.0, 3))
    np.testing.assert_allclose(world.weights(2), moved(3), atol=1e-6)


def test_two_assignments_of_a_device_count_in_two_buffers(world: World) -> None:
    world.submit(BUFFERED)
    (old,) = check_in_all(world, 1)
    fresh_buffer(world, 10)
    # Its memory is gone; it gets new work, and finds its old report again.
    (new,) = check_in_all(world, 1)
    assert new.number == 2
    assert world.report(old, (1, 0, 0), 2)
    assert world.standing(new) is Standing.WAITING
    assert not world.report(new)
    (fresh,) = check_in_all(world, 1, 20)
    commit(world, [fresh], (1.0, 1))
    assert world.standing(old) is Standing.COUNTED
    assert world.standing(new) is Standing.ABSENT
    assert world.report(new)
    for work in (old, new):
        assert world.standing(work) in {Standing.COUNTED, Standing.IN_MEMORY}


def test_reports_wait_while_an_evaluation_is_under_way(world: World) -> None:
    world.submit(replace(BUFFERED, evaluate_every=1))
    (slow,) = check_in_all(world, 1)
    fresh_buffer(world, 10)
    assert world.standing(slow) is Standing.WAITING
    assert not world.report(slow)
    for work in check_in_all(world, 2, 20):
        assert work.assignment.kind == task_pb2.ROUND_KIND_EVALUATION
        world.report(work)
    world.work()
    assert world.standing(slow) is Standing.ABSENT
    assert world.report(slow)
    # It still takes one of the five places, until it has reported.
    assert world.status().rounds[-1].reported == 1


def test_a_restart_keeps_the_acknowledged_with_their_assignments(world: World) -> None:
    world.submit(replace(BUFFERED, training=replace(COHORT, goal_count=4)))
    slow = check_in_all(world, 3)
    commit(world, check_in_all(world, 2, 10), (0.0, 1), (0.0, 1))
    world.advance(100)
    world.work()
    assert world.status().rounds_committed == 1
    world.restart()
    # Their time is over; the others have begun with version 1.
    assert not world.report(slow[0])
    works = check_in_all(world, 2, 20)
    commit(world, works, (0.0, 1), (0.0, 1))
    world.restart()
    assert [world.standing(work) for work in works] == [Standing.COUNTED] * 2
    later = check_in_all(world, 2, 30)
    commit(world, later, (2.0, 1), (2.0, 1))
    np.testing.assert_allclose(world.weights(2), moved(1), atol=1e-6)


@pytest.mark.parametrize("fault", ["before", "after", "restart"])
def test_a_stale_report_in_a_snapshot_survives(world: World, fault: str) -> None:
    world.submit(replace(BUFFERED, training=replace(COHORT, goal_count=3)))
    (slow,) = check_in_all(world, 1)
    commit(world, check_in_all(world, 3, 10), (0.0, 1), (0.0, 1), (0.0, 1))
    (fresh,) = check_in_all(world, 1, 20)
    if fault != "restart":
        setattr(world.database, fault, 1)
    world.report(slow, (1, 0, 0), 2)
    world.report(fresh, (4, 0, 0), 1)
    while not world.work():
        pass
    world.restart()
    assert {world.standing(work) for work in (slow, fresh)} == {Standing.COUNTED}
    assert world.database.counted_earlier(world.task_id, 2) == {slow.device: 1}
    (last,) = check_in_all(world, 1, 30)
    commit(world, [last], (1.0, 2))
    # 1 * 2/2, 4 * 1, 1 * 2 over 4.
    np.testing.assert_allclose(world.weights(2), moved(7 / 4), atol=1e-6)


def test_a_withdrawal_makes_room_whatever_the_buffer(world: World) -> None:
    world.submit(BUFFERED)
    works = check_in_all(world, 3)
    fresh_buffer(world, 10)
    check_in_all(world, 2, 20)
    assert world.check_in(30) is None
    world.withdraw(works[0])
    assert world.check_in(30) is not None
    with pytest.raises(UpdateError, match="withdrawn"):
        world.report(works[0])


def test_a_paused_task_takes_reports_in_and_goes_on_later(world: World) -> None:
    world.submit(BUFFERED)
    works = check_in_all(world, 3)
    world.engine.control("t", TaskAction.PAUSE)
    commit(world, works[:2], (1.0, 1), (1.0, 1))
    assert world.status().rounds_committed == 1
    assert world.standing(works[2]) is Standing.WAITING
    world.engine.control("t", TaskAction.RESUME)
    world.work()
    assert world.report(works[2])


def test_a_paused_task_gives_no_new_work_for_what_was_given_in_an_earlier_buffer(world: World) -> None:
    world.submit(BUFFERED)
    works = check_in_all(world, 3)
    commit(world, works[:2], (0.0, 1), (0.0, 1))
    (fresh,) = check_in_all(world, 1, 10)
    world.engine.control("t", TaskAction.PAUSE)
    assert world.check_in(2) is None
    # What was given in this buffer is given again.
    assert check_in_all(world, 1, 10)[0].assignment.ticket == fresh.assignment.ticket
    world.engine.control("t", TaskAction.RESUME)
    assert check_in_all(world, 1, 2)[0].number == 2


def test_checkpoints_that_devices_work_with_are_kept(tmp_path: Any) -> None:
    world = World(tmp_path / "state", ServerSettings(engine=EngineSettings(keep_checkpoints=1)))
    world.submit(BUFFERED)
    for first in range(0, 50, 10):
        commit(world, check_in_all(world, 2, first), (1.0, 1), (1.0, 1))
    # Plan, version 0, and the three newest versions.
    assert len(world.keys("artifacts/")) == 5
    world.database.close()


def test_every_device_of_a_small_fleet_goes_on(world: World) -> None:
    """As many devices as the goal: each is in every buffer, and no buffer waits for ever."""
    world.submit(replace(BUFFERED, rounds=5))
    for number in range(1, 6):
        works = check_in_all(world, 2)
        assert [work.number for work in works] == [number] * 2
        commit(world, works, (1.0, 1), (1.0, 1))
    assert world.status().reason == "5 rounds done"
    assert device_id(0) in world.database.counted(world.task_id, 5)
