"""The contract of `Parts`: several replicas add up one round, over both data bases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fieldfare.aggregator.storage import (
    CheckpointRecord,
    DamagedError,
    PartRecord,
    RoundRecord,
    ShareRecord,
    SnapshotRecord,
    SqlDatabase,
    counts_of,
    with_parts,
)
from fieldfare.core.errors import NotFoundError, StateError, StorageError
from fieldfare.core.rounds import RoundState
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import TaskState
from tests.unit.aggregator.test_storage import DEVICES, FIRST, NOW, ROUND, TASK

PATIENCE = timedelta(seconds=10)
SECOND = CheckpointRecord(TASK.task_id, 1, Artifact(b"1" * 32, 5), NOW)


@pytest.fixture
def database(database: SqlDatabase) -> SqlDatabase:
    database.add_task(TASK, FIRST)
    database.begin_round(ROUND)
    return database


def part(replica: str, count: int) -> PartRecord:
    snapshot = SnapshotRecord(TASK.task_id, 1, f"snapshots/{replica}/{count}", count, 10 * count, "{}")
    return PartRecord(replica, snapshot, counts_of(own(count)))


def own(count: int) -> RoundRecord:
    metrics = f'{{"loss": ["{count}", "{2 * count}"]}}'
    return replace(ROUND, reported=count, examples=7 * count, refused=1, refusals='{"norm": 1}', metrics=metrics)


def share(replica: str, places: int = 0, working: int = 0, pending: tuple[bytes, ...] = (), at: int = 0) -> ShareRecord:
    return ShareRecord(replica, places, working, frozenset(pending), NOW + timedelta(seconds=at))


def test_parts_add_up_and_one_commit_ends_the_round(database: SqlDatabase) -> None:
    database.parts.save(own(2), part("a", 2), DEVICES[:2], NOW)
    database.parts.save(own(1), part("b", 1), DEVICES[2:3], NOW)
    (row,) = database.rounds(TASK.task_id)
    assert (row.reported, row.examples, row.refused, row.refusals) == (3, 21, 2, '{"norm": 2}')
    assert row.metrics == '{"loss": ["3", "6"]}'
    view = database.parts.view(TASK.task_id, 1)
    assert (view.task_state, view.newest, view.round_state) == (TaskState.RUNNING, 1, RoundState.SELECTING)
    assert view.parts == (part("a", 2), part("b", 1))
    done = replace(with_parts(own(3), [part("b", 1).counts]), state=RoundState.COMMITTED, ended_at=NOW)
    stale = {"merged": [], "now": NOW, "checkpoint": SECOND}
    with pytest.raises(StorageError, match="another replica has added"):
        database.parts.commit(done, "a", DEVICES[3:], **stale)
    assert database.newest_checkpoint(TASK.task_id) == FIRST
    database.parts.commit(done, "a", DEVICES[3:], merged=[part("b", 1)], now=NOW, checkpoint=SECOND)
    assert database.newest_checkpoint(TASK.task_id) == SECOND
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES)
    assert database.rounds(TASK.task_id) == [done]
    ended = database.parts.view(TASK.task_id, 1)
    assert (ended.round_state, ended.parts, ended.shares) == (RoundState.COMMITTED, (), ())
    for late in (
        lambda: database.parts.save(own(1), part("b", 1), DEVICES[2:3], NOW),
        lambda: database.parts.commit(done, "b", [], merged=[], now=NOW),
        lambda: database.parts.claim(TASK.task_id, 1, share("b"), block=1, asked=9, patience=PATIENCE),
        lambda: database.parts.publish(TASK.task_id, 1, share("b")),
        lambda: database.parts.abandon(done),
    ):
        with pytest.raises(StateError, match="not open"):
            late()


@pytest.mark.parametrize("commit", [False, True])
def test_a_device_that_reported_to_two_replicas_counts_once(database: SqlDatabase, commit: bool) -> None:
    database.parts.save(own(2), part("a", 2), DEVICES[:2], NOW)

    def write() -> None:
        if commit:
            database.parts.commit(own(4), "b", DEVICES[1:3], merged=[part("a", 2)], now=NOW, checkpoint=SECOND)
        else:
            database.parts.save(own(2), part("b", 2), DEVICES[1:3], NOW)

    with pytest.raises(StateError, match="of 2 reports in round 1, another replica has counted 1"):
        write()
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES[:2])
    assert database.parts.view(TASK.task_id, 1).parts == (part("a", 2),)
    assert database.newest_checkpoint(TASK.task_id) == FIRST


def test_a_snapshot_written_again_counts_as_before(database: SqlDatabase) -> None:
    for _ in range(2):
        database.parts.save(own(2), part("a", 2), DEVICES[:2], NOW)
    database.parts.save(own(3), part("a", 3), DEVICES[2:3], NOW)
    assert database.parts.view(TASK.task_id, 1).parts == (part("a", 3),)
    assert database.rounds(TASK.task_id)[0].reported == 3


def test_replicas_together_take_no_more_places_than_there_are(database: SqlDatabase) -> None:
    def claim(one: ShareRecord, block: int) -> int:
        return database.parts.claim(TASK.task_id, 1, one, block=block, asked=10, patience=PATIENCE)

    assert claim(share("a"), 4) == 4
    # Six are left, which would not make two blocks.
    assert claim(share("b"), 4) == 6
    assert claim(share("c"), 4) == 0
    # The share holds what was given, until its owner says otherwise: two reports are in, one place has come back.
    assert database.parts.view(TASK.task_id, 1).shares[0] == share("a", places=4)
    database.parts.save(own(2), part("a", 2), DEVICES[:2], NOW)
    database.parts.publish(TASK.task_id, 1, share("a", working=1))
    assert claim(share("c"), 4) == 1
    # What is pending takes a place too; and b is silent for longer than anybody waits.
    database.parts.publish(TASK.task_id, 1, share("a", places=1, pending=(DEVICES[3],), at=11))
    assert claim(share("c", places=1, at=11), 4) == 5


def test_a_round_with_acknowledged_reports_is_not_abandoned(database: SqlDatabase) -> None:
    over = replace(ROUND, state=RoundState.ABANDONED, reason="few", ended_at=NOW)
    database.parts.save(own(2), part("a", 2), DEVICES[:2], NOW)
    with pytest.raises(StorageError, match="acknowledged"):
        database.parts.abandon(over)
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES[:2])


def test_an_abandoned_round_and_an_ended_task_leave_nothing(database: SqlDatabase) -> None:
    database.parts.publish(TASK.task_id, 1, share("a", places=1))
    database.parts.abandon(replace(ROUND, state=RoundState.ABANDONED, reason="few", ended_at=NOW))
    assert database.parts.view(TASK.task_id, 1).shares == ()
    database.begin_round(replace(ROUND, number=2))
    database.parts.publish(TASK.task_id, 2, share("a", places=1))
    database.set_task_state(TASK.task_id, TaskState.CANCELLED, "by hand", NOW)
    view = database.parts.view(TASK.task_id, 2)
    assert (view.task_state, view.newest, view.shares) == (TaskState.CANCELLED, 2, ())
    with pytest.raises(StateError, match="has ended"):
        database.set_task_state(TASK.task_id, TaskState.RUNNING, "", None)
    with pytest.raises(NotFoundError):
        database.parts.view("nope", 1)


@pytest.mark.parametrize("counts", ["", "[]", "{}", '{"assigned": "x"}'])
def test_damaged_counts(counts: str) -> None:
    with pytest.raises(DamagedError, match="damaged"):
        with_parts(ROUND, [counts])
