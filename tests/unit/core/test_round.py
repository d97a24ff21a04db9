from datetime import UTC, datetime, timedelta

import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.rounds import Decision, Round, RoundState, Verdict
from fieldfare.core.tasks import CohortSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
WAIT, COMMIT = Decision(Verdict.WAIT), Decision(Verdict.COMMIT)
SPEC = CohortSpec(
    goal_count=3,
    minimum=2,
    over_selection=1.3,
    selection_timeout=timedelta(seconds=100),
    report_timeout=timedelta(seconds=60),
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def device(number: int) -> bytes:
    return bytes([number]) * 16


def a_round(*assigned: int, acknowledged: tuple[int, ...] = ()) -> Round:
    one = Round(SPEC, START, [device(number) for number in acknowledged])
    for number in assigned:
        assert one.assign(device(number), START) == at(60)
    return one


def test_over_selection_asks_four_for_three_and_no_more():
    one = a_round(1, 2, 3)
    assert one.state is RoundState.SELECTING
    assert one.assign(device(4), at(1)) == at(61)
    assert one.state is RoundState.COLLECTING
    assert one.assign(device(5), at(2)) is None
    assert (one.assigned, one.outstanding, one.reported) == (4, 4, 0)


def test_asking_again_gives_the_same_deadline_and_counts_once():
    one = a_round(1)
    assert one.assign(device(1), at(30)) == at(60) == one.deadline_of(device(1))
    assert one.assigned == 1


def test_the_goal_commits_at_once_whoever_is_still_at_work():
    one = a_round(1, 2, 3, 4)
    for number in (1, 2):
        one.add_report(device(number))
        assert one.decide(at(1)) == WAIT
    one.add_report(device(3))
    assert one.decide(at(1)) == COMMIT
    assert one.pending == {device(1), device(2), device(3)}
    assert one.outstanding == 1
    assert one.deadline_of(device(3)) is None


def test_a_device_that_has_reported_gets_no_more_work():
    one = a_round(1)
    one.add_report(device(1))
    assert one.has_report_of(device(1))
    assert not one.is_acknowledged(device(1))
    assert one.assign(device(1), at(1)) is None
    one.acknowledge([device(1)])
    assert one.is_acknowledged(device(1))
    assert one.has_report_of(device(1))
    assert one.pending == frozenset()
    assert one.assign(device(1), at(1)) is None
    assert one.reported == 1


def test_the_minimum_commits_once_nobody_is_at_work_any_more():
    one = a_round(1, 2, 3, 4)
    one.add_report(device(1))
    one.add_report(device(2))
    assert one.decide(at(59)) == WAIT
    assert one.next_deadline() == at(60)
    assert one.decide(at(60)) == COMMIT
    assert one.outstanding == 0


def test_the_minimum_waits_for_selection_to_end():
    one = a_round(1, 2)
    one.add_report(device(1))
    one.add_report(device(2))
    assert one.decide(at(99.9)) == WAIT
    assert one.state is RoundState.SELECTING
    assert one.next_deadline() == at(100)
    assert one.decide(at(100)) == COMMIT


def test_selection_ends_while_enough_are_at_work():
    one = a_round()
    one.assign(device(1), at(90))
    one.assign(device(2), at(95))
    assert one.decide(at(100)) == WAIT
    assert one.state is RoundState.COLLECTING
    assert one.next_deadline() == at(150)
    assert one.assign(device(3), at(100)) is None


def test_nobody_is_asked_after_selection_even_before_it_was_decided():
    assert a_round(1).assign(device(2), at(100)) is None


def test_too_few_devices_abandon_the_round_and_say_so():
    one = a_round(1)
    one.add_report(device(1))
    assert one.decide(at(100)) == Decision(Verdict.ABANDON, "only 1 of at least 2 devices reported or were at work")


def test_a_round_without_any_device_is_abandoned_at_the_end_of_selection():
    one = a_round()
    assert one.next_deadline() == at(100)
    assert one.decide(at(99)) == WAIT
    assert one.decide(at(100)).verdict is Verdict.ABANDON


def test_devices_expire_at_their_deadline_and_the_round_with_them():
    one = a_round(1, 2, 3, 4)
    assert one.decide(at(59.999)) == WAIT
    assert one.decide(at(60)).verdict is Verdict.ABANDON
    assert one.deadline_of(device(1)) is None


def test_an_expired_device_may_be_asked_anew_while_selection_lasts():
    one = a_round(1)
    assert one.assign(device(1), at(61)) == at(121)
    assert one.assigned == 2


@pytest.mark.parametrize("give_up", ["withdraw", "refuse"])
def test_a_place_that_comes_free_goes_to_another_device_and_not_to_the_same(give_up):
    one = a_round(1, 2, 3, 4)
    getattr(one, give_up)(device(4))
    assert one.state is RoundState.SELECTING
    assert (one.withdrawn, one.refused) == ((1, 0) if give_up == "withdraw" else (0, 1))
    assert one.assign(device(4), at(1)) is None
    assert one.assign(device(5), at(1)) == at(61)
    assert one.state is RoundState.COLLECTING
    assert one.assigned == 5


def test_giving_up_twice_or_without_work_counts_nothing():
    one = a_round(1)
    one.withdraw(device(1))
    one.withdraw(device(1))
    one.refuse(device(1))
    one.withdraw(device(9))
    assert (one.withdrawn, one.refused, one.outstanding) == (1, 0, 0)


def test_giving_up_after_a_report_does_not_take_it_back():
    one = a_round(1)
    one.add_report(device(1))
    one.withdraw(device(1))
    assert (one.reported, one.withdrawn) == (1, 0)


def test_giving_up_after_selection_ended_asks_nobody():
    one = a_round(1, 2, 3)
    one.assign(device(4), at(99))
    one.withdraw(device(4))
    assert one.assign(device(5), at(101)) is None


def test_after_a_restart_acknowledged_reports_count_and_their_devices_rest():
    one = a_round(acknowledged=(1, 2))
    assert (one.reported, one.assigned, one.pending) == (2, 2, frozenset())
    assert one.assign(device(1), at(1)) is None
    assert one.assign(device(3), at(1)) == at(61)
    one.add_report(device(3))
    assert one.decide(at(2)) == COMMIT


def test_after_a_restart_a_full_round_asks_nobody():
    one = a_round(acknowledged=(1, 2, 3, 4))
    assert one.assign(device(5), at(1)) is None


def test_acknowledged_reports_are_never_abandoned():
    one = a_round(2, acknowledged=(1,))
    one.withdraw(device(2))
    assert one.decide(at(100)) == WAIT
    assert one.state is RoundState.SELECTING
    assert one.next_deadline() == at(200)
    assert one.assign(device(2), at(101)) == at(161), "who gave up is asked again: there may be no other device"
    one.add_report(device(2))
    assert one.decide(at(200)) == COMMIT


def test_pending_reports_alone_do_not_keep_a_round_alive():
    one = a_round(1)
    one.add_report(device(1))
    assert one.decide(at(100)).verdict is Verdict.ABANDON
    one.acknowledge([device(1)])
    assert one.decide(at(100)) == WAIT


def test_after_a_pause_selection_has_its_whole_time_again():
    one = a_round()
    one.restart_selection(at(500))
    assert one.decide(at(599)) == WAIT
    assert one.next_deadline() == at(600)
    assert one.assign(device(1), at(599)) == at(659)
    assert one.decide(at(600)).verdict is Verdict.ABANDON


def test_a_pause_reopens_no_round_that_is_full_or_over():
    one = a_round(1, 2, 3, 4)
    one.restart_selection(at(10))
    assert one.state is RoundState.COLLECTING
    one.finish(committed=True)
    one.restart_selection(at(20))
    assert one.state is RoundState.COMMITTED


def test_adopting_an_assignment_that_only_the_ticket_knows():
    one = a_round()
    one.adopt(device(1), at(42))
    assert (one.deadline_of(device(1)), one.assigned) == (at(42), 1)
    one.adopt(device(1), at(50))
    assert (one.deadline_of(device(1)), one.assigned) == (at(42), 1)
    one.add_report(device(1))
    one.adopt(device(1), at(50))
    assert one.outstanding == 0
    one.adopt(device(2), at(42))
    one.withdraw(device(2))
    one.adopt(device(2), at(42))
    assert one.outstanding == 0


def test_adopted_devices_count_towards_over_selection():
    one = a_round()
    for number in range(1, 6):
        one.adopt(device(number), at(50))
    assert one.state is RoundState.COLLECTING
    one.withdraw(device(1))
    assert one.outstanding == 4
    assert one.assign(device(9), at(1)) is None


@pytest.mark.parametrize(("committed", "state"), [(True, RoundState.COMMITTED), (False, RoundState.ABANDONED)])
def test_a_finished_round_stays_finished(committed, state):
    one = a_round(1, 2)
    assert not one.finished
    one.finish(committed=committed)
    assert one.finished
    one.adopt(device(3), at(50))
    one.withdraw(device(3))
    one.withdraw(device(1))
    assert one.assign(device(4), at(1)) is None
    assert one.decide(at(1000)) == WAIT
    assert one.next_deadline() is None
    assert (one.state, one.outstanding, one.withdrawn) == (state, 0, 0)
    with pytest.raises(StateError, match="round is over"):
        one.add_report(device(1))
    assert one.reported == 0


def test_next_deadline_is_never_later_than_what_decide_waits_for():
    one = a_round()
    one.assign(device(1), at(10))
    assert one.next_deadline() == at(70)
    one.assign(device(2), at(50))
    one.assign(device(3), at(51))
    one.assign(device(4), at(52))
    assert one.next_deadline() == at(70)
    for number in (1, 2, 3, 4):
        one.add_report(device(number))
    assert one.next_deadline() == at(100)


def test_an_assignment_that_never_arrived_is_taken_back():
    one = a_round(1, 2, 3, 4)
    assert not one.has_places(START)
    one.take_back(device(4))
    one.take_back(device(4))
    assert (one.assigned, one.state, one.has_places(START)) == (3, RoundState.SELECTING, True)
    assert one.assign(device(5), START) == at(60)
    # The device had it after all: its report counts as any other.
    one.adopt(device(4), at(60))
    assert one.deadline_of(device(4)) == at(60)
