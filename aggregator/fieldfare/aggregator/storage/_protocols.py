"""The two interfaces that the engine needs of storage."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from fieldfare.aggregator.storage._parts import PartRecord, RoundView, ShareRecord
from fieldfare.aggregator.storage._records import CheckpointRecord, RoundRecord, SnapshotRecord, TaskRecord
from fieldfare.core.tasks import TaskState

NONE_EARLIER: Mapping[bytes, int] = MappingProxyType({})
"""Every device reports for the very round in which it is counted."""


def artifact_key(sha256: bytes) -> str:
    """The blob key of a plan or checkpoint: its content names it."""
    return f"artifacts/{sha256.hex()}"


class BlobStore(Protocol):
    """Bytes under names such as "artifacts/<sha256>" or "snapshots/<task>/<round>/<serial>".

    Every method raises `StorageError` when the store cannot do it now, and `DamagedError` for a blob that is not there.
    """

    def put(self, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write a blob as a whole. When this returns, it survives a power cut; when it raises, nothing new is there."""
        ...

    def get(self, key: str) -> bytes:
        """The whole blob."""
        ...

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer at the end of the blob."""
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        ...

    def keys(self, prefix: str = "", *, written_before: datetime | None = None) -> Iterator[str]:
        """Names of all blobs that begin with `prefix` and, where asked for, were written before a moment."""
        ...


class Parts(Protocol):
    """Rounds that several replicas add up together, each with a partial sum of its own.

    Every method raises `StorageError` when the data base cannot do it now.
    """

    def view(self, task_id: str, number: int) -> RoundView:
        """What all replicas have written about the round.

        Raises:
            NotFoundError: there is no such task.
        """
        ...

    def publish(self, task_id: str, number: int, share: ShareRecord) -> None:
        """Say what this replica holds in memory.

        Raises:
            StateError: the round is not open any more.
        """
        ...

    def claim(
        self, task_id: str, number: int, share: ShareRecord, *, block: int, asked: int, patience: timedelta
    ) -> int:
        """Take a block of further places of the cohort, of which all replicas together have `asked`.

        What is left is taken as a whole where it would not make two blocks, since fewer reports than a block brings may
        be too few for a snapshot.

        What a replica holds that was silent for `patience` is free again.

        Raises:
            StateError: the round is not open any more.
        """
        ...

    def save(self, record: RoundRecord, part: PartRecord, devices: Iterable[bytes], now: datetime) -> None:
        """Replace this replica's snapshot and count these devices in; the round's row then holds the sum of all parts.

        Args:
            record: with the counts of this part alone.
            part: the snapshot.
            devices: those that are new in it.
            now: the present.

        Raises:
            StateError: the round is not open any more, or a device is counted by another replica. Nothing is written.
        """
        ...

    def commit(
        self,
        record: RoundRecord,
        replica: str,
        devices: Iterable[bytes],
        *,
        merged: Sequence[PartRecord],
        now: datetime,
        checkpoint: CheckpointRecord | None = None,
    ) -> None:
        """Close an open round as committed: count in this replica's last devices, add the checkpoint, remove all parts.

        Args:
            record: with the counts of all parts.
            replica: this one.
            devices: those that no snapshot of this replica holds.
            merged: the parts of the others that are in the result, in the order of their names.
            now: the present.
            checkpoint: the result; None for an evaluation round.

        Raises:
            StateError: the round is not open any more, or a device is counted by another replica.
            StorageError: also when the others' parts are not those any more.
        """
        ...

    def abandon(self, record: RoundRecord) -> None:
        """Close an open round without a result.

        Raises:
            StateError: the round is not open any more.
            StorageError: also when there is a snapshot.
        """
        ...


class Database(Protocol):
    """Rows. Each method is one transaction: when it returns, its effect survives a power cut.

    Every method raises `StorageError` when the data base cannot do it now.
    """

    @property
    def parts(self) -> Parts:
        """For several replicas."""
        ...

    def ticket_key(self) -> bytes:
        """32 random bytes that seal tickets; made at the first start."""
        ...

    def add_task(self, task: TaskRecord, checkpoint: CheckpointRecord) -> None:
        """A new task with its checkpoint of version 0."""
        ...

    def task(self, task_id: str) -> TaskRecord | None:
        """The task, or None."""
        ...

    def tasks(self, *, population: str = "", name: str = "", active: bool = False) -> list[TaskRecord]:
        """Tasks, oldest first; an empty string matches all; `active` leaves out those that have ended."""
        ...

    def set_task_state(self, task_id: str, state: TaskState, reason: str, ended_at: datetime | None) -> None:
        """Change the state. An end also abandons the open round, whose devices no longer count.

        Raises:
            StateError: the task is not there, or has ended.
        """
        ...

    def newest_checkpoint(self, task_id: str) -> CheckpointRecord:
        """The checkpoint with the highest version."""
        ...

    def refers_to(self, sha256: bytes, task_id: str = "", *, states: bool = True) -> int | None:
        """Size in bytes of an artifact that the task (or any task) refers to; None where none does.

        Args:
            sha256: the artifact.
            task_id: the task; empty for any.
            states: whether the states of server optimisers are looked through too.
        """
        ...

    def forget_checkpoints(self, task_id: str, *, keep: int) -> Sequence[bytes]:
        """Remove all but version 0 and the newest `keep`; returns digests to which no task refers any more."""
        ...

    def rounds(self, task_id: str, *, after: int = 0) -> list[RoundRecord]:
        """Rounds with a number above `after`, oldest first."""
        ...

    def newest_round(self, task_id: str) -> RoundRecord | None:
        """The round with the highest number."""
        ...

    def newest_evaluation(self, task_id: str) -> RoundRecord | None:
        """The newest committed evaluation round."""
        ...

    def evaluations(self, task_id: str) -> int:
        """Evaluation rounds that were committed."""
        ...

    def add_strays(self, task_id: str, number: int, *, late: int, duplicates: int) -> None:
        """So many more reports came for a round that is over."""
        ...

    def begin_round(self, record: RoundRecord) -> None:
        """A new open round. Made again after a lost answer, it changes nothing.

        Raises:
            StateError: the task has ended, another round of it is open, or it has another one of this number, or one
                that has reports or is over.
        """
        ...

    def save_snapshot(
        self,
        record: RoundRecord,
        snapshot: SnapshotRecord,
        devices: Iterable[bytes],
        *,
        at: datetime,
        earlier: Mapping[bytes, int] = NONE_EARLIER,
    ) -> None:
        """Replace the round's snapshot and count these devices in; the round's counts are brought up to date.

        Args:
            record: the round.
            snapshot: takes the place of the one before.
            devices: those that are new in it.
            at: when they were counted.
            earlier: which of them report for an assignment of an earlier round, and of which.

        Raises:
            StorageError: also when the devices counted in are then not as many as the snapshot holds.
        """
        ...

    def snapshot(self, task_id: str, number: int) -> SnapshotRecord | None:
        """The round's snapshot, or None."""
        ...

    def counted(self, task_id: str, number: int) -> frozenset[bytes]:
        """Ids of the devices that are counted in this round."""
        ...

    def counted_earlier(self, task_id: str, number: int) -> dict[bytes, int]:
        """Which of them reported for an assignment of an earlier round, and of which."""
        ...

    def participations(self, task_id: str, *, since: datetime) -> dict[bytes, datetime]:
        """When each device was last counted for the task, where that was at `since` or later."""
        ...

    def forget_counted(self, task_id: str, *, before: datetime) -> int:
        """Remove ids that were counted before this moment, in rounds that are over; returns how many."""
        ...

    def participants(self, task_id: str, number: int, devices: Iterable[bytes]) -> tuple[int, int]:
        """Distinct devices counted in the training rounds before `number`, and how many of `devices` are among them."""
        ...

    def is_counted(self, task_id: str, number: int, device: bytes) -> bool:
        """Whether the device's report for its assignment of this round is counted in, and so acknowledged."""
        ...

    def commit_round(
        self,
        record: RoundRecord,
        devices: Iterable[bytes],
        checkpoint: CheckpointRecord | None = None,
        *,
        earlier: Mapping[bytes, int] = NONE_EARLIER,
    ) -> None:
        """Close an open round as committed: count in the last devices, add the checkpoint, remove the snapshot.

        `earlier` is as for `save_snapshot`; the devices are counted at `record.ended_at`.

        Raises:
            StateError: the round is not open any more.
            StorageError: also when the devices counted in are then not `record.reported`.
        """
        ...

    def abandon_round(self, record: RoundRecord) -> None:
        """Close an open round without a result: no snapshot, and no device that counts.

        Raises:
            StateError: the round is not open any more.
        """
        ...

    def blob_keys(self) -> frozenset[str]:
        """Every blob that a row refers to."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
