from datetime import UTC, datetime, timedelta

from fieldfare.core.rounds import Buffer, Decision, RoundState, Verdict
from fieldfare.core.tasks import CohortSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
WAIT, COMMIT = Decision(Verdict.WAIT), Decision(Verdict.COMMIT)
SPEC = CohortSpec(3, 2, 1.0, timedelta(seconds=100), timedelta(seconds=60))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def device(number: int) -> bytes:
    return bytes([number]) * 16


def a_buffer(*assigned: int, concurrency: int = 4) -> Buffer:
    one = Buffer(SPEC, START, concurrency)
    for number in assigned:
        assert one.assign(device(number), START) == at(60)
    return one


def test_so_many_devices_work_at_the_same_time_and_no_more():
    one = a_buffer(1, 2, 3, 4)
    assert not one.has_places(START)
    assert one.assign(device(5), START) is None
    assert one.assign(device(4), at(1)) == at(60)
    one.add_report(device(4))
    assert one.has_places(at(1))
    assert one.assign(device(5), at(1)) == at(61)
    assert one.assigned == 5


def test_a_place_is_free_again_once_its_time_is_over():
    one = a_buffer(1, 2, 3, 4)
    assert one.has_places(at(60))
    assert one.assign(device(5), at(60)) == at(120)
    assert one.state is RoundState.SELECTING


def test_one_report_of_a_device_in_a_buffer():
    one = a_buffer(1, 2)
    one.add_report(device(1))
    one.withdraw(device(2))
    assert one.assign(device(1), at(1)) is None
    assert one.assign(device(2), at(1)) is None
    assert (one.reported, one.withdrawn) == (1, 1)


def test_devices_at_work_are_carried_on_and_may_report_into_the_next_buffer():
    first = a_buffer(1, 2, 3, 4)
    for number in (1, 2, 3):
        first.add_report(device(number))
    assert first.decide(at(5)) == COMMIT
    working = first.working()
    assert working == {device(4): at(60)}
    first.finish(committed=True)
    assert (first.decide(at(5)), first.next_deadline(), first.has_places(at(5))) == (WAIT, None, False)
    second = Buffer(SPEC, at(5), 2)
    second.carry(working)
    assert second.deadline_of(device(4)) == at(60)
    assert second.assign(device(1), at(6)) == at(66)
    assert second.assign(device(2), at(6)) is None
    # It asks anew, so it has given up what it had: it gets the newest checkpoint, in the same place.
    assert second.assign(device(4), at(7)) == at(67)
    assert second.assign(device(4), at(8)) == at(67)
    second.add_report(device(4))
    assert second.reported == 1


def test_a_slow_buffer_commits_with_its_minimum_and_is_never_abandoned():
    one = a_buffer(1, 2)
    assert one.next_deadline() == at(60)
    assert one.decide(at(60)) == WAIT
    assert one.next_deadline() == at(100)
    assert one.decide(at(100)) == WAIT
    # Nothing comes by itself any more.
    assert one.next_deadline() is None
    for number in (1, 2):
        assert one.decide(at(500)) == WAIT
        one.adopt(device(number), at(600))
        one.add_report(device(number))
    assert one.decide(at(500)) == COMMIT


def test_a_pause_gives_the_goal_its_time_again():
    one = a_buffer(1, 2)
    one.decide(at(100))
    one.restart_selection(at(200))
    for number in (1, 2):
        one.adopt(device(number), at(600))
        one.add_report(device(number))
    assert one.decide(at(299)) == WAIT
    assert one.next_deadline() == at(300)
    assert one.decide(at(300)) == COMMIT


def test_after_a_restart_the_acknowledged_are_in():
    one = Buffer(SPEC, START, 4, [device(1), device(2)])
    assert (one.reported, one.assigned) == (2, 2)
    assert one.assign(device(1), START) is None
    one.adopt(device(3), at(60))
    one.add_report(device(3))
    assert one.decide(at(1)) == COMMIT
