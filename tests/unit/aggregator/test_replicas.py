"""Two engines over one data base and one folder of blobs: what each may do while the other lives, lags or is gone."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
    Combiner,
    EligibilitySpec,
    TaskAction,
    Weighting,
)
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import COHORT, SPEC, Work, World

EIGHT = CohortSpec(8, 4, 1.5, timedelta(seconds=100), timedelta(seconds=60))
WIDE = replace(SPEC, training=EIGHT, aggregation=AggregationSpec(min_snapshot_updates=2))


class Pair:
    """Two replicas; `sync` lets both look at what the other has written."""

    def __init__(self, folder: Path) -> None:
        self.red = World(folder, replica="red")
        self.blue = World(folder, replica="blue")

    def submit(self, spec: object = WIDE) -> None:
        self.red.submit(spec)  # type: ignore[arg-type]
        self.blue.task_id = self.red.task_id
        self.blue.engine.look_around()
        self.sync()

    def sync(self) -> None:
        for _ in range(2):
            assert self.red.work()
            assert self.blue.work()

    def advance(self, seconds: float) -> None:
        self.red.advance(seconds)
        self.blue.advance(seconds)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path / "state")
    yield made
    made.red.database.close()
    made.blue.database.close()


def check_in(world: World, *indices: int) -> list[Work]:
    """Ask until places were claimed."""
    works = []
    for index in indices:
        if (work := world.check_in(index)) is None:
            assert world.work()
            work = world.check_in(index)
        assert work is not None
        works.append(work)
    return works


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


def test_any_shows_what_all_have_and_how_a_round_ended_that_it_still_holds(pair: Pair) -> None:
    pair.submit(replace(WIDE, rounds=1))
    reds, blues = check_in(pair.red, 0, 1, 2), check_in(pair.blue, 10, 11, 12, 13, 14)
    for work in reds:
        assert pair.red.report(work)
    for work in blues[:2]:
        assert pair.blue.report(work)
    assert pair.blue.work()
    # Three of its own in memory, and the snapshot of the other.
    (row,) = pair.red.status().rounds
    assert (row.state, row.reported, row.examples) == (task_pb2.ROUND_STATE_SELECTING, 5, 4)
    assert pair.red.work()
    for work in blues[2:]:
        assert pair.blue.report(work)
    assert pair.blue.work()
    # Red has not looked since: in its memory the round goes on.
    status, same = pair.red.status(), pair.blue.status()
    assert status == same
    (row,) = status.rounds
    assert (status.state, row.state) == (task_pb2.TASK_STATE_COMPLETED, task_pb2.ROUND_STATE_COMMITTED)
    assert (row.reported, row.examples) == (8, 16)


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


def test_a_round_that_ends_while_it_is_taken_up_again_does_no_harm(pair: Pair) -> None:
    pair.submit(replace(WIDE, rounds=1))
    blues = check_in(pair.blue, 10, 11, 12, 13, 14, 15, 16, 17)
    database = pair.red.database._inner
    original = database.newest_round

    def newest_round(task_id: str) -> object:
        found = original(task_id)
        for work in blues:
            assert pair.blue.report(work)
        assert pair.blue.work()
        return found

    database.newest_round = newest_round
    record = database.task(pair.red.task_id)
    assert record is not None
    pair.red.engine._tasks.load_one(record)
    assert pair.red.work()
    assert pair.red.engine.active_tasks() == []
    status = pair.red.status()
    assert (status.state, status.reason) == (task_pb2.TASK_STATE_COMPLETED, "1 rounds done")
    assert database.parts.view(pair.red.task_id, 1).shares == ()


def test_a_task_that_was_read_again_is_taken_onwards_by_its_successor_only(pair: Pair) -> None:
    pair.submit()
    works = check_in(pair.red, 0, 1)
    for work in works:
        assert pair.red.report(work)
    assert pair.red.work()
    tasks, record = pair.red.engine._tasks, pair.red.database.task(pair.red.task_id)
    before = tasks.find(pair.red.task_id)
    tasks.load_one(record)
    # Another thread had found it before that, and has waited for its turn.
    pair.red.engine._keeper.work(before)
    (row,) = pair.red.status().rounds
    assert (row.number, row.reported) == (1, 2)
    for work in check_in(pair.blue, 10, 11, 12, 13, 14, 15):
        assert pair.blue.report(work)
    pair.sync()
    assert pair.red.status().rounds[0].reported == 8


def test_a_task_that_cannot_be_read_again_goes_on_as_it_was(pair: Pair) -> None:
    pair.submit()
    tasks, record = pair.red.engine._tasks, pair.red.database.task(pair.red.task_id)
    pair.red.blobs.unreadable = "artifacts/"
    with pytest.raises(StorageError):
        tasks.load_one(record)
    pair.red.blobs.unreadable = ""
    works = check_in(pair.red, 0, 1)
    for work in works:
        assert pair.red.report(work)
    assert pair.red.work()
    assert pair.red.standing(works[0]) is Standing.COUNTED


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


def test_what_one_is_told_to_do_the_other_does(pair: Pair) -> None:
    pair.submit()
    pair.red.engine.control(pair.red.task_id, TaskAction.PAUSE)
    pair.sync()
    assert pair.blue.check_in(1) is None
    pair.blue.engine.control(pair.blue.task_id, TaskAction.RESUME)
    pair.sync()
    works = check_in(pair.red, 0, 1)
    for work in works:
        pair.red.report(work)
    pair.sync()
    pair.blue.engine.control(pair.blue.task_id, TaskAction.CANCEL)
    pair.sync()
    assert pair.red.engine.active_tasks() == []
    assert pair.red.standing(works[0]) is Standing.GONE


def test_too_few_over_both_abandon_the_round_once(pair: Pair) -> None:
    pair.submit()
    (work,) = check_in(pair.red, 0)
    pair.advance(100)
    pair.sync()
    states = [row.state for row in pair.blue.status().rounds]
    assert states[0] == task_pb2.ROUND_STATE_ABANDONED
    assert len(states) == 2
    assert pair.blue.standing(work) is Standing.GONE


def test_who_waits_for_the_devices_of_another_looks_no_more_often_than_it_polls(pair: Pair) -> None:
    pair.submit()
    pair.advance(50)
    check_in(pair.red, 0, 1, 2, 3)
    pair.advance(51)
    pair.sync()
    blue = pair.blue
    assert blue.engine.next_deadline(blue.task_id) == blue.now + blue.settings.storage.poll


def test_a_snapshot_of_which_nobody_knows_yet_does_not_keep_a_round_from_ending(pair: Pair) -> None:
    pair.submit()
    for work in check_in(pair.red, 0, 1):
        assert pair.red.report(work, (1, 0, 0))
    parts, seen = pair.red.database._inner.parts, []
    original = parts.view

    def view(*args: object) -> object:
        """The second look, after the answer that was lost, finds no data base."""
        seen.append(1)
        if len(seen) == 2:
            raise StorageError("cannot read the data base: connection refused")
        return original(*args)

    parts.view = view
    pair.red.database.lose.add("save")
    assert not pair.red.work()
    # The other one is gone, and the time is over: what is on disk is acknowledged, and further devices are asked.
    pair.advance(200)
    assert pair.red.work()
    for work in check_in(pair.red, 2, 3, 4, 5, 6, 7):
        assert pair.red.report(work, (3, 0, 0))
    assert pair.red.work()
    np.testing.assert_allclose(pair.red.weights(1), [1 + (2 * 1 + 6 * 3) / 8, 2, 3], atol=1e-6)


def test_a_replica_that_joins_after_a_pause_leaves_the_others_their_time(pair: Pair) -> None:
    pair.submit()
    pair.red.engine.control(pair.red.task_id, TaskAction.PAUSE)
    pair.sync()
    pair.advance(300)
    pair.red.engine.control(pair.red.task_id, TaskAction.RESUME)
    pair.sync()
    works = check_in(pair.red, 0, 1, 2)
    assert pair.red.report(works[0])
    pair.sync()
    pair.blue.restart()
    pair.sync()
    assert pair.red.standing(works[0]) is Standing.IN_MEMORY
    assert pair.red.report(works[1])
    pair.sync()
    assert pair.blue.standing(works[0]) is Standing.COUNTED


def test_a_task_that_is_new_to_a_replica_is_neither_late_nor_out_of_reach(pair: Pair) -> None:
    pair.red.submit(WIDE)
    pair.blue.task_id = pair.red.task_id
    (work,) = check_in(pair.red, 0)
    assert pair.blue.standing(work) is Standing.ABSENT
    assert not pair.blue.report(work)
    assert pair.blue.standing(work) is Standing.ABSENT
    status = pair.blue.engine.control(pair.red.task_id, TaskAction.PAUSE)
    assert status.state == task_pb2.TASK_STATE_PAUSED
    assert pair.blue.report(work)
    pair.blue.engine.control(pair.red.task_id, TaskAction.CANCEL)
    assert pair.blue.standing(work) is Standing.GONE


@pytest.mark.parametrize(
    "aggregation",
    [
        AggregationSpec(algorithm=Algorithm.FEDBUFF),
        AggregationSpec(combiner=Combiner.MEDIAN),
    ],
)
def test_what_needs_one_place_is_refused(pair: Pair, aggregation: AggregationSpec) -> None:
    with pytest.raises(ConfigError, match="one replica only"):
        pair.red.submit(replace(SPEC, training=COHORT, aggregation=aggregation))
    assert pair.red.engine.active_tasks() == []


def test_only_old_blobs_are_removed_where_others_write(pair: Pair) -> None:
    pair.submit()
    pair.red.blobs.put("artifacts/unused", [b"x"])
    kept = set(pair.red.keys(""))
    pair.red.engine.remove_unused()
    assert set(pair.red.keys("")) == kept
    # The store's clock is the file system's.
    pair.red.now = pair.red.now.now(pair.red.now.tzinfo) + timedelta(days=2)
    pair.red.engine.remove_unused()
    assert set(pair.red.keys("")) == kept - {"artifacts/unused"}


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
