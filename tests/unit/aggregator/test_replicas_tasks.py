"""Two replicas run one task: what each does with its rounds while the other lives, lags or is gone."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    Combiner,
    TaskAction,
)
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.pairs import WIDE, Pair, check_in
from tests.unit.aggregator.world import COHORT, SPEC


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
