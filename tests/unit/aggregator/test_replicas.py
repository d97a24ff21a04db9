"""Two replicas add up one round: what counts, once, while the other lives, lags or is gone."""

import logging
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    EligibilitySpec,
    Weighting,
)
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.pairs import EIGHT, WIDE, Pair, check_in


def test_both_add_up_one_round_and_the_mean_is_of_all(pair: Pair) -> None:
    pair.submit()
    reds, blues = check_in(pair.red, 0, 1, 2), check_in(pair.blue, 10, 11, 12, 13, 14)
    for work in reds:
        assert pair.red.report(work, (1, 0, 0))
    for work in blues:
        assert pair.blue.report(work, (9, 0, 0))
    pair.sync()
    assert {pair.red.standing(work) for work in reds} == {Standing.COUNTED}
    assert {pair.blue.standing(work) for work in blues} == {Standing.COUNTED}
    assert {pair.red.standing(work) for work in blues} == {Standing.COUNTED}
    np.testing.assert_allclose(pair.blue.weights(1), [1 + (3 * 1 + 5 * 9) / 8, 2, 3], atol=1e-6)
    (row,) = pair.red.status().rounds[:1]
    assert (row.reported, row.state) == (8, task_pb2.ROUND_STATE_COMMITTED)
    # Nobody's snapshot is left; and both are in the next round.
    assert pair.red.snapshots() == []
    assert {work.number for work in check_in(pair.red, 0) + check_in(pair.blue, 10)} == {2}


def test_together_they_ask_no_more_than_the_cohort(pair: Pair) -> None:
    pair.submit()
    asked = 0
    for index in range(40):
        world = (pair.red, pair.blue)[index % 2]
        if world.check_in(index) is None:
            world.work()
            asked += world.check_in(index) is not None
        else:
            asked += 1
    assert asked == EIGHT.asked == 12


def test_a_device_that_sent_its_report_to_both_counts_once(pair: Pair) -> None:
    pair.submit()
    works = check_in(pair.red, 0, 1, 2)
    for work in works[:2]:
        assert pair.red.report(work, (1, 0, 0))
    # The answer is lost; the device finds the other replica before that has heard of it.
    assert pair.blue.report(works[0], (1, 0, 0))
    assert pair.blue.report(works[2], (4, 0, 0))
    assert pair.red.work()
    assert pair.blue.work()
    assert [pair.blue.standing(work) for work in works] == [Standing.COUNTED, Standing.COUNTED, Standing.ABSENT]
    assert pair.blue.report(works[2], (4, 0, 0))
    others = check_in(pair.blue, 20, 21, 22, 23, 24)
    for work in others:
        assert pair.blue.report(work, (4, 0, 0))
    pair.sync()
    np.testing.assert_allclose(pair.red.weights(1), [1 + (2 * 1 + 6 * 4) / 8, 2, 3], atol=1e-6)


def test_a_report_in_anothers_memory_is_pending_until_that_one_is_silent(pair: Pair) -> None:
    pair.submit()
    (work,) = check_in(pair.red, 0)
    assert pair.red.report(work)
    pair.sync()
    assert pair.blue.standing(work) is Standing.IN_MEMORY
    assert not pair.blue.report(work)
    pair.advance(11)
    assert pair.blue.work()
    assert pair.blue.standing(work) is Standing.ABSENT
    assert pair.blue.report(work)


def test_a_device_that_was_counted_by_one_takes_no_place_of_the_other(pair: Pair) -> None:
    pair.submit()
    works = check_in(pair.red, 0, 1)
    # It checks in again, elsewhere, before its first replica has told of its report.
    (again,) = check_in(pair.blue, 0)
    for work in works:
        assert pair.red.report(work)
    pair.sync()
    assert pair.blue.standing(again) is Standing.COUNTED
    assert not pair.blue.report(again)
    assert pair.blue.check_in(0) is None
    assert pair.blue.check_in(1) is None
    (share,) = (
        one for one in pair.red.database.parts.view(pair.red.task_id, 1).shares if one.replica.startswith("blue")
    )
    assert share.working == 0


def test_a_device_that_was_counted_by_one_stays_away_from_the_other_too(pair: Pair) -> None:
    pair.submit(replace(WIDE, eligibility=EligibilitySpec(min_separation=timedelta(days=1))))
    reds, blues = check_in(pair.red, 0, 1, 2, 3), check_in(pair.blue, 10, 11, 12, 13)
    for work in reds:
        assert pair.red.report(work)
    assert pair.red.work()
    for work in blues:
        assert pair.blue.report(work)
    assert pair.blue.work()
    pair.sync()
    assert {work.number for work in check_in(pair.red, 20) + check_in(pair.blue, 21)} == {2}
    for world in (pair.red, pair.blue):
        assert [world.check_in(index) for index in (0, 3, 10, 13)] == [None] * 4
    pair.advance(86400)
    pair.sync()
    assert check_in(pair.blue, 0)


def test_a_copy_that_another_counts_between_question_and_report_is_no_fault_of_the_device(pair: Pair) -> None:
    pair.submit()
    works = check_in(pair.red, 0, 1)
    assert pair.blue.standing(works[0]) is Standing.ABSENT
    for work in works:
        assert pair.red.report(work)
    pair.sync()
    reports, header = pair.blue.engine.reports, pair.blue.header(works[0])
    assert reports.admit(reports.read_ticket(header), header) is None
    assert pair.blue.standing(works[0]) is Standing.COUNTED


def test_a_report_for_a_round_of_which_this_one_has_not_heard_is_not_late(pair: Pair) -> None:
    pair.submit()
    for work in check_in(pair.blue, 10, 11, 12, 13, 14, 15, 16, 17):
        assert pair.blue.report(work)
    assert pair.blue.work()
    (next_work,) = check_in(pair.blue, 0)
    assert next_work.number == 2
    # To red, the first round goes on.
    assert pair.red.standing(next_work) is Standing.ABSENT
    assert not pair.red.report(next_work)
    assert pair.red.work()
    assert pair.red.report(next_work)


def test_a_share_that_is_told_once_the_round_is_over_stays_nowhere(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.submit(replace(WIDE, rounds=1))
    blues = check_in(pair.blue, 10, 11, 12, 13, 14, 15, 16, 17)
    check_in(pair.red, 0)
    parts = pair.red.database._inner.parts
    original = parts.view

    def view(*args: object) -> object:
        """Blue ends the round after red has looked, and before it tells what it holds."""
        seen = original(*args)
        if pair.blue.engine.active_tasks():
            for work in blues:
                assert pair.blue.report(work)
            assert pair.blue.work()
        return seen

    parts.view = view
    assert pair.red.work()
    assert pair.red.engine.active_tasks() == []
    assert original(pair.red.task_id, 1).shares == ()
    # That is as it should be.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_a_dead_replica_had_on_disk_is_in_the_result(pair: Pair) -> None:
    pair.submit()
    dead = check_in(pair.red, 0, 1, 2)
    for work in dead[:2]:
        assert pair.red.report(work, (1, 0, 0))
    assert pair.red.work()
    assert pair.red.report(dead[2], (7, 7, 7))
    pair.red.restart()
    assert pair.blue.standing(dead[0]) is Standing.COUNTED
    assert pair.red.standing(dead[2]) is Standing.ABSENT
    assert pair.red.report(dead[2], (3, 0, 0))
    for work in check_in(pair.blue, 20, 21, 22, 23, 24, 25):
        assert pair.blue.report(work, (3, 0, 0))
    pair.sync()
    # The goal is eight: what one replica holds alone is not waited for, and was not acknowledged.
    assert pair.red.standing(dead[2]) is Standing.GONE
    np.testing.assert_allclose(pair.red.weights(1), [1 + (2 * 1 + 6 * 3) / 8, 2, 3], atol=1e-6)


def test_a_commit_takes_a_snapshot_that_came_in_between(pair: Pair) -> None:
    pair.submit()
    reds, blues = check_in(pair.red, 0, 1, 2, 3), check_in(pair.blue, 10, 11, 12, 13)
    for work in reds:
        pair.red.report(work, (1, 0, 0))
    for work in blues[:2]:
        pair.blue.report(work, (5, 0, 0))
    pair.sync()
    for work in blues[2:]:
        pair.blue.report(work, (5, 0, 0))
    original = pair.blue.database._inner.parts.view
    views = []

    def view(*args: object) -> object:
        """Just before blue merges, red writes a further report with a second one."""
        if len(views) == 1:
            for work in check_in(pair.red, 4, 5):
                pair.red.report(work, (1, 0, 0))
            pair.red.work()
        views.append(1)
        return original(*args)

    pair.blue.database._inner.parts.view = view
    pair.blue.work()
    pair.sync()
    status = pair.red.status()
    assert status.checkpoint_version == 1
    row = status.rounds[0]
    counted = pair.red.database.counted(pair.red.task_id, 1)
    assert len(counted) == row.reported
    ones = len(counted & {work.device for work in reds} | counted - {work.device for work in [*reds, *blues]})
    fives = len(counted) - ones
    np.testing.assert_allclose(pair.red.weights(1), [1 + (ones + 5 * fives) / (ones + fives), 2, 3], atol=1e-6)


def test_scaffolds_control_variate_is_the_mean_of_the_devices_of_all_replicas(pair: Pair) -> None:
    pair.submit(replace(WIDE, rounds=3, aggregation=AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM)))
    own: dict[int, float] = {}
    # Devices 3 and 11 come again, 3 through the other replica; 12 of them are seen in the end.
    for number, (red, blue) in enumerate([((0, 1, 2, 3), (10, 11, 12, 13)), ((11, 4, 5, 6), (3, 14, 1, 2))], 1):
        for world, indices in ((pair.red, red), (pair.blue, blue)):
            for index, work in zip(indices, check_in(world, *indices), strict=True):
                control = work.assignment.control
                assert work.assignment.HasField("control") is (number > 1)
                for either in (pair.red, pair.blue):
                    if number > 1:
                        size, _ = either.engine.artifact_size(control.sha256, work.assignment.ticket)
                        assert size == control.size_bytes
                change = float(index + 3 * number)
                assert world.report(work, (0.5, 0, 0, change, -change, 1))
                own[index] = own.get(index, 0.0) + change
        pair.sync()
        mean = sum(own.values()) / len(own)
        np.testing.assert_allclose(pair.blue.weights(number), [1 + number / 2, 2, 3], atol=1e-6)
        found = unpack_weights(pair.red.optimizer_state() or b"")[1]
        np.testing.assert_allclose(found[:2], [mean, -mean], rtol=1e-6)
