"""The contracts of `BlobStore` and `Database`, run over every implementation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldfare.aggregator.storage import (
    BlobStore,
    CachedBlobStore,
    CheckpointRecord,
    DamagedError,
    Database,
    FolderBlobStore,
    RoundRecord,
    SnapshotRecord,
    StateFolder,
    TaskRecord,
    artifact_key,
    open_blobs,
    open_sqlite,
)
from fieldfare.core.errors import StateError, StorageError
from fieldfare.core.rounds import RoundState
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import NextRound, TaskState
from tests.support.shared_storage import S3Server

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TASK = TaskRecord("ab" * 16, "name", "p", b"spec", TaskState.RUNNING, Artifact(b"p" * 32, 7), NOW)
FIRST = CheckpointRecord(TASK.task_id, 0, Artifact(b"0" * 32, 5), NOW)
ROUND = RoundRecord(TASK.task_id, 1, NextRound.TRAINING, 0, NOW)
DEVICES = [bytes([index]) * 16 for index in range(4)]


@pytest.fixture(params=["folder", "shared folder", "s3", "cached"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    if request.param == "folder":
        return FolderBlobStore(tmp_path / "blobs")
    if request.param == "shared folder":
        return open_blobs(f"file://{tmp_path}/blobs")
    if request.param == "cached":
        return CachedBlobStore(FolderBlobStore(tmp_path / "blobs"), FolderBlobStore(tmp_path / "cache"), 100)
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_blobs(server.new_bucket())


def snapshot(count: int, key: str = "snapshots/a") -> SnapshotRecord:
    return SnapshotRecord(TASK.task_id, 1, key, count, 10 * count, "{}")


def test_blobs(blobs: BlobStore) -> None:
    blobs.put("a/b/c", [b"one", memoryview(b"two")])
    assert blobs.get("a/b/c") == b"onetwo"
    assert [blobs.read("a/b/c", *span) for span in ((0, 2), (2, 2), (5, 9), (6, 1))] == [b"on", b"et", b"o", b""]
    blobs.put("a/b/c", [b"new"])
    blobs.put("d", [])
    assert sorted(blobs.keys()) == ["a/b/c", "d"]
    assert blobs.get("d") == blobs.read("d", 0, 1) == b""
    assert list(blobs.keys("a/")) == ["a/b/c"]
    hour = timedelta(hours=1)
    assert list(blobs.keys("a/", written_before=datetime.now(UTC) + hour)) == ["a/b/c"]
    assert list(blobs.keys(written_before=datetime.now(UTC) - hour)) == []
    blobs.delete("a/b/c")
    blobs.delete("a/b/c")
    for missing in (lambda: blobs.get("a/b/c"), lambda: blobs.read("a/b/c", 0, 1)):
        with pytest.raises(DamagedError, match="gone"):
            missing()


def test_a_failed_blob_leaves_nothing(blobs: BlobStore) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        blobs.put("a/b", parts())
    assert list(blobs.keys()) == []


def test_half_written_blobs_are_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.12345678.part").write_bytes(b"half")
    assert list(FolderBlobStore(tmp_path).keys()) == []
    assert list(tmp_path.iterdir()) == []


def test_empty_folders_go_and_come_again(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path / "blobs")

    def churn(writer: int) -> None:
        for turn in range(100):
            store.put(f"a/{turn % 2}/{writer}", [b"x"])
            store.delete(f"a/{turn % 2}/{writer}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(churn, range(4)))
    assert list((tmp_path / "blobs").iterdir()) == []
    (tmp_path / "blobs" / "a" / "b").mkdir(parents=True)
    FolderBlobStore(tmp_path / "blobs")
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_storage_that_fails(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    store.put("a", [b"x"])
    with pytest.raises(StorageError, match="cannot write the blob a/b/c"):
        store.put("a/b/c", [b"x"])


def test_tasks_and_checkpoints(database: Database) -> None:
    database.add_task(TASK, FIRST)
    assert database.task(TASK.task_id) == TASK
    assert database.task("nope") is None
    assert database.tasks(population="p", name="name", active=True) == [TASK]
    assert database.tasks(population="q") == []
    assert database.newest_checkpoint(TASK.task_id) == FIRST
    with pytest.raises(DamagedError):
        database.newest_checkpoint("nope")
    assert database.refers_to(b"p" * 32) == database.refers_to(b"p" * 32, TASK.task_id) == 7
    assert database.refers_to(b"0" * 32, "other") is None
    database.set_task_state(TASK.task_id, TaskState.COMPLETED, "done", NOW)
    assert database.tasks(active=True) == []
    assert database.task(TASK.task_id) == replace(TASK, state=TaskState.COMPLETED, reason="done", ended_at=NOW)
    assert database.ticket_key() == database.ticket_key()


def test_a_round_from_snapshot_to_commit(database: Database) -> None:
    database.add_task(TASK, FIRST)
    database.begin_round(ROUND)
    assert database.newest_round(TASK.task_id) == ROUND
    record = replace(ROUND, state=RoundState.COLLECTING, reported=2)
    database.save_snapshot(record, snapshot(2), DEVICES[:2], at=NOW)
    database.save_snapshot(record, snapshot(2, "snapshots/b"), DEVICES[:2], at=NOW)
    assert database.snapshot(TASK.task_id, 1) == snapshot(2, "snapshots/b")
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES[:2])
    assert database.blob_keys() == {"snapshots/b", artifact_key(b"p" * 32), artifact_key(b"0" * 32)}
    with pytest.raises(StorageError, match="counts 3 devices, but its sum holds 4"):
        database.save_snapshot(record, snapshot(4), DEVICES[:3], at=NOW)
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES[:2])
    done = replace(record, state=RoundState.COMMITTED, reported=3, ended_at=NOW)
    second = CheckpointRecord(TASK.task_id, 1, Artifact(b"1" * 32, 5), NOW, Artifact(b"s" * 32, 9))
    with pytest.raises(StorageError):
        database.commit_round(done, [], second)
    assert database.newest_checkpoint(TASK.task_id) == FIRST
    database.commit_round(done, DEVICES[2:3], second)
    assert database.newest_checkpoint(TASK.task_id) == second
    assert database.snapshot(TASK.task_id, 1) is None
    assert database.is_counted(TASK.task_id, 1, DEVICES[2])
    assert not database.is_counted(TASK.task_id, 1, DEVICES[3])
    assert database.rounds(TASK.task_id) == [done]
    assert database.rounds(TASK.task_id, after=1) == []
    assert database.refers_to(b"s" * 32) == database.refers_to(b"s" * 32, TASK.task_id) == 9
    assert database.refers_to(b"s" * 32, "other") is None
    assert database.refers_to(b"s" * 32, TASK.task_id, states=False) is None
    for late in (
        lambda: database.commit_round(done, []),
        lambda: database.save_snapshot(done, snapshot(3), [], at=NOW),
    ):
        with pytest.raises(StateError, match="not open"):
            late()


def test_a_round_may_be_begun_again_until_something_happens_in_it(database: Database) -> None:
    database.add_task(TASK, FIRST)
    database.begin_round(ROUND)
    database.begin_round(replace(ROUND, started_at=NOW + timedelta(seconds=1)))
    assert database.rounds(TASK.task_id) == [ROUND]
    other = replace(ROUND, kind=NextRound.EVALUATION)
    with pytest.raises(StateError, match="begun as another"):
        database.begin_round(other)
    database.abandon_round(replace(ROUND, state=RoundState.ABANDONED, reason="few", ended_at=NOW))
    with pytest.raises(StateError, match="begun as another"):
        database.begin_round(ROUND)


def test_no_round_begins_beside_an_open_one_or_in_a_task_that_has_ended(database: Database) -> None:
    database.add_task(TASK, FIRST)
    database.begin_round(ROUND)
    later = replace(ROUND, number=2)
    with pytest.raises(StateError, match=r"round 1 of task .* is still open"):
        database.begin_round(later)
    assert database.rounds(TASK.task_id) == [ROUND]
    database.abandon_round(replace(ROUND, state=RoundState.ABANDONED, reason="few", ended_at=NOW))
    database.begin_round(later)
    database.set_task_state(TASK.task_id, TaskState.CANCELLED, "by hand", NOW)
    with pytest.raises(StateError, match="has ended"):
        database.begin_round(replace(ROUND, number=3))
    assert [one.number for one in database.rounds(TASK.task_id)] == [1, 2]


def test_what_came_to_nothing_counts_nobody(database: Database) -> None:
    database.add_task(TASK, FIRST)
    for number in (1, 2):
        record = replace(ROUND, number=number)
        database.begin_round(record)
        database.save_snapshot(record, replace(snapshot(2), number=number), DEVICES[:2], at=NOW)
        if number == 1:
            database.abandon_round(replace(record, state=RoundState.ABANDONED, reason="few", ended_at=NOW))
        else:
            database.set_task_state(TASK.task_id, TaskState.CANCELLED, "by hand", NOW)
        assert not database.is_counted(TASK.task_id, number, DEVICES[0])
        assert database.snapshot(TASK.task_id, number) is None
    assert [one.state for one in database.rounds(TASK.task_id)] == [RoundState.ABANDONED] * 2
    assert "by hand" in database.rounds(TASK.task_id)[1].reason


def test_evaluations_and_trimming(database: Database) -> None:
    database.add_task(TASK, FIRST)
    assert database.newest_evaluation(TASK.task_id) is None
    for number in (1, 2, 3):
        record = replace(ROUND, number=number, kind=NextRound.EVALUATION, metrics=str(number))
        database.begin_round(record)
        checkpoint = CheckpointRecord(TASK.task_id, number, Artifact(bytes([number]) * 32, 5), NOW)
        database.commit_round(replace(record, state=RoundState.COMMITTED, ended_at=NOW), [], checkpoint)
    newest = database.newest_evaluation(TASK.task_id)
    assert newest is not None
    assert newest.number == 3
    assert set(database.forget_checkpoints(TASK.task_id, keep=1)) == {b"\1" * 32, b"\2" * 32}
    assert list(database.forget_checkpoints(TASK.task_id, keep=1)) == []
    assert database.refers_to(b"0" * 32) == 5


def test_who_took_part_in_the_training_rounds_before(database: Database) -> None:
    database.add_task(TASK, FIRST)
    assert database.participants(TASK.task_id, 1, DEVICES) == (0, 0)
    kinds = [NextRound.TRAINING, NextRound.EVALUATION, NextRound.TRAINING, NextRound.TRAINING]
    takers = [DEVICES[:2], DEVICES[3:], DEVICES[1:3], DEVICES]
    for number, (kind, devices) in enumerate(zip(kinds, takers, strict=True), 1):
        record = replace(ROUND, number=number, kind=kind)
        database.begin_round(record)
        done = replace(record, state=RoundState.COMMITTED, reported=len(devices), ended_at=NOW)
        database.commit_round(done, devices)
    assert database.participants(TASK.task_id, 3, DEVICES[1:]) == (2, 1)
    many = [index.to_bytes(16, "big") for index in range(1, 1200)]
    assert database.participants(TASK.task_id, 4, [*many, *DEVICES]) == (3, 3)
    assert database.participants("cd" * 16, 4, DEVICES) == (0, 0)


def test_a_file_that_is_no_data_base(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(StorageError, match="not a database"):
        open_sqlite(tmp_path / "test.db")


def test_one_aggregator_for_a_state_folder(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        assert folder.root.stat().st_mode & 0o777 == 0o700
        with pytest.raises(StorageError, match="another aggregator is running"):
            StateFolder(tmp_path / "state")
    StateFolder(tmp_path / "state").close()


def test_state_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="not a folder"):
            StateFolder(path)


def test_reports_for_assignments_of_earlier_rounds_count_where_they_came(database: Database) -> None:
    database.add_task(TASK, FIRST)
    first, second = (replace(ROUND, number=number, reported=0) for number in (1, 2))
    database.begin_round(first)
    done = replace(first, state=RoundState.COMMITTED, ended_at=NOW, reported=1)
    database.commit_round(done, DEVICES[:1])
    database.begin_round(second)
    later = NOW + timedelta(hours=1)
    two = replace(second, reported=2)
    database.save_snapshot(two, replace(snapshot(2), number=2), DEVICES[1:3], at=later, earlier={DEVICES[1]: 1})
    assert database.counted(TASK.task_id, 1) == frozenset(DEVICES[:1])
    assert database.counted(TASK.task_id, 2) == frozenset(DEVICES[1:3])
    assert database.counted_earlier(TASK.task_id, 2) == {DEVICES[1]: 1}
    # What counts is the round of the assignment: that is what a device asks for.
    assert database.is_counted(TASK.task_id, 1, DEVICES[1])
    assert not database.is_counted(TASK.task_id, 2, DEVICES[1])
    # The first device's assignment has counted already: it cannot count a second time, in another round.
    three = replace(snapshot(3, "snapshots/b"), number=2)
    with pytest.raises(StorageError, match="counts 2 devices, but its sum holds 3"):
        database.save_snapshot(replace(two, reported=3), three, DEVICES[:1], at=later, earlier={DEVICES[0]: 1})
    assert database.participations(TASK.task_id, since=NOW) == {
        DEVICES[0]: NOW,
        DEVICES[1]: later,
        DEVICES[2]: later,
    }
    assert set(database.participations(TASK.task_id, since=later)) == {DEVICES[1], DEVICES[2]}
    database.abandon_round(replace(two, state=RoundState.ABANDONED, ended_at=later))
    assert not database.is_counted(TASK.task_id, 1, DEVICES[1])
    assert database.is_counted(TASK.task_id, 1, DEVICES[0])


def test_old_ids_are_forgotten_but_not_those_of_an_open_round(database: Database) -> None:
    database.add_task(TASK, FIRST)
    for number in (1, 2):
        record = replace(ROUND, number=number, reported=2)
        database.begin_round(replace(record, reported=0))
        database.save_snapshot(record, replace(snapshot(2), number=number), DEVICES[:2], at=NOW)
        if number == 1:
            database.commit_round(replace(record, state=RoundState.COMMITTED, ended_at=NOW), [])
    assert database.forget_counted(TASK.task_id, before=NOW) == 0
    assert database.forget_counted("other", before=NOW + timedelta(days=1)) == 0
    assert database.forget_counted(TASK.task_id, before=NOW + timedelta(days=1)) == 2
    assert [len(database.counted(TASK.task_id, number)) for number in (1, 2)] == [0, 2]


def test_strays_are_added_to_rounds_that_are_over(database: Database) -> None:
    database.add_task(TASK, FIRST)
    database.begin_round(ROUND)
    done = replace(ROUND, state=RoundState.COMMITTED, ended_at=NOW, kind=NextRound.TRAINING, late=1, duplicates=2)
    assert database.evaluations(TASK.task_id) == 0
    database.commit_round(done, [])
    database.add_strays(TASK.task_id, 1, late=3, duplicates=4)
    assert database.rounds(TASK.task_id) == [replace(done, late=4, duplicates=6)]
    evaluation = replace(ROUND, number=2, kind=NextRound.EVALUATION)
    database.begin_round(evaluation)
    database.commit_round(replace(evaluation, state=RoundState.COMMITTED, ended_at=NOW), [])
    assert database.evaluations(TASK.task_id) == 1
