from datetime import timedelta

from fieldfare.core.rounds import Elsewhere, RoundState, SharedRound, Verdict, block_size
from fieldfare.core.tasks import CohortSpec
from tests.unit.core.test_round import COMMIT, SPEC, WAIT, at, device


def a_part(*assigned: int, places: int = 0) -> SharedRound:
    """Goal 3, minimum 2, four places in all; selection ends after 100 s."""
    part = SharedRound(SPEC, at(0), at(100))
    part.grant(places or len(assigned), at(0))
    for number in assigned:
        assert part.assign(device(number), at(0)) == at(60)
    return part


def test_places_are_taken_from_the_stock_and_wanted_when_it_is_empty():
    part = a_part(1, places=2)
    assert part.stock == 1
    assert part.assign(device(1), at(5)) == at(60)
    assert part.stock == 1
    assert not part.wants_places(at(5))
    assert part.assign(device(2), at(5)) == at(65)
    assert part.assign(device(3), at(5)) is None
    assert part.wants_places(at(5))
    assert not part.wants_places(at(5))
    assert part.assign(device(3), at(5)) is None
    part.grant(1, at(6))
    assert part.idle_since() == at(6)
    assert not part.wants_places(at(6))
    assert part.assign(device(3), at(6)) == at(66)
    part.take_back(device(3))
    part.take_back(device(3))
    assert part.stock == 1
    part.give_back()
    assert part.stock == 0
    assert not part.has_places(at(7))
    assert not part.wants_places(at(100))


def test_a_device_that_reported_elsewhere_gives_its_place_back_and_gets_none():
    part = a_part(1, 2, places=3)
    part.learn(Elsewhere(reported=1, counted=frozenset([device(1)]), pending=frozenset([device(3)])))
    assert part.outstanding == 1
    assert part.is_acknowledged(device(1))
    assert part.has_report_of(device(1))
    assert not part.has_report_of(device(3))
    assert not part.is_acknowledged(device(2))
    assert part.assign(device(1), at(1)) is None
    assert part.assign(device(3), at(1)) is None
    part.learn(Elsewhere(reported=1, counted=frozenset([device(1)])))
    assert part.assign(device(3), at(1)) == at(61)


def test_the_goal_counts_all_replicas():
    part = a_part(1)
    part.elsewhere = Elsewhere(reported=2)
    assert part.decide(at(1)) == WAIT
    part.add_report(device(1))
    assert part.decide(at(1)) == COMMIT


def test_reports_in_anothers_memory_close_the_round_only_where_most_of_them_are():
    part = a_part(1, 2)
    part.add_report(device(1))
    part.elsewhere = Elsewhere(reported=1, pending=frozenset([device(8), device(9)]), most_pending=2)
    assert part.decide(at(1)) == WAIT
    part.add_report(device(2))
    part.elsewhere = Elsewhere(reported=0, pending=frozenset([device(9)]), most_pending=1)
    assert part.decide(at(1)) == COMMIT


def test_after_the_selection_it_waits_for_those_at_work_anywhere():
    part = a_part(1)
    part.add_report(device(1))
    part.elsewhere = Elsewhere(working=1)
    assert part.decide(at(100)) == WAIT
    assert part.state is RoundState.COLLECTING
    # What it waits for is told by others: time alone brings nothing, and a moment that has passed would wake it again
    # and again.
    assert part.next_deadline() is None
    part.elsewhere = Elsewhere(reported=1)
    assert part.decide(at(101)) == COMMIT
    part.finish(committed=True)
    assert part.decide(at(102)) == WAIT
    assert part.next_deadline() is None


def test_it_wakes_for_its_own_devices_and_the_end_of_the_selection():
    part = a_part(1, 2, places=3)
    assert part.next_deadline() == at(60)
    assert part.decide(at(60)) == WAIT
    assert part.next_deadline() == at(100)
    assert part.assign(device(3), at(70)) == at(130)
    part.elsewhere = Elsewhere(working=1)
    assert part.decide(at(100)) == WAIT
    assert part.next_deadline() == at(130)


def test_who_holds_less_leaves_the_commit_to_who_holds_more():
    part = a_part(1)
    part.add_report(device(1))
    part.elsewhere = Elsewhere(pending=frozenset([device(8), device(9)]), most_pending=2)
    assert part.decide(at(100)) == WAIT
    assert part.next_deadline() is None
    other = a_part(8, 9)
    other.add_report(device(8))
    other.add_report(device(9))
    other.elsewhere = Elsewhere(pending=frozenset([device(1)]), most_pending=1)
    assert other.decide(at(99)) == COMMIT


def test_too_few_anywhere_abandon_it_and_acknowledged_ones_ask_further_devices():
    part = a_part(1)
    part.add_report(device(1))
    decision = part.decide(at(100))
    assert decision.verdict is Verdict.ABANDON
    assert decision.reason == "only 1 of at least 2 devices reported or were at work"
    part.elsewhere = Elsewhere(reported=0, pending=frozenset([device(9)]), most_pending=1)
    assert part.decide(at(100)).verdict is Verdict.ABANDON
    acknowledged = a_part()
    acknowledged.elsewhere = Elsewhere(reported=1)
    assert acknowledged.decide(at(100)) == WAIT
    assert acknowledged.state is RoundState.SELECTING
    acknowledged.grant(1, at(101))
    assert acknowledged.assign(device(4), at(101)) == at(161)


def test_a_block_is_an_eighth_but_enough_for_a_snapshot():
    assert block_size(CohortSpec(100, 50, 1.28, timedelta(1), timedelta(1)), 5) == 16
    assert block_size(CohortSpec(10, 5, 1.3, timedelta(1), timedelta(1)), 5) == 7
