"""Check-ins that wait for work, with a clock that the test moves."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fieldfare.aggregator.engine import Waiter, WaitingRoom
from fieldfare.core.tasks import TaskAction
from fieldfare.protos.v1 import aggregator_pb2
from tests.unit.aggregator.world import CAPABILITIES, COHORT, SPEC, Work, World, check_in_all, device_id

FULL = replace(SPEC, training=replace(COHORT, goal_count=2, over_selection=1.0))


def request_of(index: int, population: str = "p") -> aggregator_pb2.CheckInRequest:
    return aggregator_pb2.CheckInRequest(population=population, device_id=device_id(index), capabilities=CAPABILITIES)


class Pool:
    """A waiting room whose devices write their answers down."""

    def __init__(self, world: World, capacity: int = 100) -> None:
        self.room = WaitingRoom(world.engine, capacity)
        self.answers: list[tuple[int, aggregator_pb2.CheckInResponse]] = []
        self.waiters: dict[int, Waiter] = {}

    def enter(self, index: int, population: str = "p") -> bool:
        self.waiters[index] = Waiter(request_of(index, population), self._teller(index))
        return self.room.enter(self.waiters[index])

    def _teller(self, index: int) -> Callable[[aggregator_pb2.CheckInResponse], None]:
        return lambda answer: self.answers.append((index, answer))

    def serve(self) -> int:
        """To the end; how often others had their turn in between."""
        return sum(1 for _ in self.room.serve())

    def given(self) -> list[int]:
        return [index for index, answer in self.answers if answer.WhichOneof("answer") == "assignment"]


def finish_round(world: World, works: list[Work]) -> None:
    for work in works:
        world.report(work)
    assert world.work()


def test_the_next_rounds_cohort_is_taken_at_once_in_the_order_of_arrival(world: World) -> None:
    world.submit(FULL)
    works = check_in_all(world, 2)
    pool = Pool(world)
    assert all(pool.enter(index) for index in (7, 5, 9))
    pool.serve()
    assert not pool.answers
    finish_round(world, works)
    pool.serve()
    assert pool.given() == [7, 5]
    assert {answer.assignment.round_number for _, answer in pool.answers} == {2}
    assert len(pool.room) == 1


def test_a_place_that_comes_free_is_for_who_waits(world: World) -> None:
    world.submit(FULL)
    works = check_in_all(world, 2)
    pool = Pool(world)
    pool.enter(7)
    world.withdraw(works[0])
    pool.serve()
    assert pool.given() == [7]


def test_who_leaves_is_not_asked(world: World) -> None:
    world.submit(FULL)
    works = check_in_all(world, 2)
    pool = Pool(world)
    pool.enter(7)
    pool.room.leave(pool.waiters[7])
    pool.room.leave(pool.waiters[7])
    assert len(pool.room) == 0
    finish_round(world, works)
    pool.serve()
    assert not pool.answers


def test_a_full_room_turns_others_away_but_not_who_calls_again(world: World) -> None:
    world.submit(FULL)
    check_in_all(world, 2)
    pool = Pool(world, capacity=2)
    assert [pool.enter(index) for index in (5, 6, 7)] == [True, True, False]
    old = pool.waiters[5]
    assert pool.enter(5)
    assert [(index, answer.WhichOneof("answer")) for index, answer in pool.answers] == [(5, "come_back")]
    pool.room.leave(old)
    assert len(pool.room) == 2


def test_nobody_waits_where_nothing_will_come(world: World) -> None:
    task = world.submit(FULL)
    check_in_all(world, 2)
    pool = Pool(world)
    assert not pool.enter(1, "other")
    assert pool.enter(5)
    world.engine.control(task, TaskAction.PAUSE)
    assert not pool.enter(6)
    pool.serve()
    ((index, answer),) = pool.answers
    # Sent away with the pace of an idle device, not called back at once.
    assert (index, answer.come_back.after.ToTimedelta().total_seconds()) == (5, 2)


def test_a_closed_room_has_answered_everybody(world: World) -> None:
    world.submit(FULL)
    check_in_all(world, 2)
    pool = Pool(world)
    pool.enter(5)
    pool.room.close()
    assert [index for index, _ in pool.answers] == [5]
    assert not pool.enter(6)


def test_a_device_that_lacks_something_does_not_keep_others_from_work(world: World) -> None:
    world.submit(FULL)
    works = check_in_all(world, 2)
    pool = Pool(world)
    pool.enter(5)
    pool.waiters[5].request.capabilities.encoding_stages[:] = ["float16"]
    pool.enter(6)
    finish_round(world, works)
    pool.serve()
    assert pool.given() == [6]
    assert len(pool.room) == 1


@pytest.mark.parametrize("full", [False, True])
def test_tasks_of_a_population_share_the_devices_evenly(world: World, full: bool) -> None:
    """Also where one of them has no places, which once gave its turns to its neighbour."""
    many = replace(SPEC, training=replace(COHORT, goal_count=40, over_selection=1.0))
    ids = [world.submit(replace(FULL if full else many, name="a"))]
    if full:
        check_in_all(world, 2)
    ids += [world.submit(replace(many, name=name)) for name in "bc"]
    works = check_in_all(world, 30, start=10)
    given = [sum(work.assignment.task_id == task for work in works) for task in ids]
    assert given == ([0, 15, 15] if full else [10, 10, 10])


@pytest.mark.parametrize("over", [False, True])
def test_thousands_for_whom_there_is_nothing_are_looked_at_a_few_at_a_time(world: World, over: bool) -> None:
    task = world.submit(FULL)
    works = check_in_all(world, 2)
    pool = Pool(world, capacity=1000)
    for index in range(10, 310):
        pool.enter(index)
        if not over:
            pool.waiters[index].request.capabilities.encoding_stages[:] = ["float16"]
    if over:
        world.engine.control(task, TaskAction.CANCEL)
    else:
        finish_round(world, works)
    looking = pool.room.serve()
    next(looking)
    assert len(pool.room) == (300 - 64 if over else 300)
    # In between anybody may leave, or come back by another connection; who comes anew is for the next time.
    pool.room.leave(pool.waiters[200])
    old = pool.waiters[201]
    pool.enter(201)
    assert len([None for _ in looking]) == 3
    assert 200 not in [index for index, _ in pool.answers]
    pool.room.leave(old)
    assert len(pool.room) == (0 if over else 299)
