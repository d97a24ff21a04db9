"""Where a round's rows go, and how it is taken up again: the aggregator that is alone with its data base."""

from datetime import datetime
from typing import Protocol

from fieldfare.aggregator.engine._accumulator import Frozen
from fieldfare.aggregator.engine._held import Holds
from fieldfare.aggregator.engine._open_round import Attempt, OpenRound, fresh_round, restored_round, with_result
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.storage import BlobStore, CheckpointRecord, Database, RoundRecord, SnapshotRecord
from fieldfare.core.aggregation import ReportRules
from fieldfare.core.errors import StateError
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import TaskSpec


class OvertakenError(StateError):
    """Another replica took the task onwards, as it should: it is read again."""


class RoundStore(Protocol):
    """What differs between one aggregator and several that share their storage.

    The caller holds `run.persisting`, except for `row`.
    """

    @property
    def alone(self) -> bool:
        """Whether nobody else writes: memory then knows all, and what nobody refers to may go at once."""
        ...

    def check(self, spec: TaskSpec) -> None:
        """Raise `ConfigError` for a task that cannot be run this way."""
        ...

    def sync(self, run: TaskRun) -> None:
        """Learn what others have done, and tell them what this one holds.

        Raises:
            OvertakenError: memory is not what is on disk any more.
            StorageError: storage cannot be read or written now.
        """
        ...

    def row(self, run: TaskRun, current: OpenRound, stored: RoundRecord) -> RoundRecord:
        """The round as people are to see it.

        Args:
            run: its task.
            current: what memory has of it.
            stored: its row, which was read just before.

        Raises:
            StorageError: storage cannot be read now.
        """
        ...

    def begun(self, run: TaskRun, record: RoundRecord, rules: ReportRules) -> OpenRound:
        """The round whose row was just written."""
        ...

    def taken_up(self, record: RoundRecord, checkpoint: Artifact, rules: ReportRules, now: datetime) -> OpenRound:
        """A round that was open when the task was loaded.

        Raises:
            DamagedError: what is stored of it cannot be used.
            StorageError: storage cannot be read now.
        """
        ...

    def snapshot(self, current: OpenRound) -> SnapshotRecord | None:
        """This aggregator's own snapshot, as it is on disk."""
        ...

    def save(self, current: OpenRound, attempt: Attempt) -> None:
        """Write a snapshot's row, with the devices that are new in it."""
        ...

    def close(self, run: TaskRun, current: OpenRound) -> tuple[Frozen, RoundRecord]:
        """The result of the whole round and its row with all counts; nothing can be added meanwhile."""
        ...

    def commit(
        self, current: OpenRound, record: RoundRecord, frozen: Frozen, checkpoint: CheckpointRecord | None
    ) -> None:
        """Write that the round is committed."""
        ...

    def abandon(self, record: RoundRecord) -> None:
        """Write that the round is abandoned."""
        ...


class SoleRounds:
    """See `RoundStore`.

    Args:
        database: rows.
        blobs: snapshots.
        holds: single updates, where a task's combiner needs them.
    """

    alone = True

    def __init__(self, database: Database, blobs: BlobStore, holds: Holds) -> None:
        self._holds = holds
        self._database = database
        self._blobs = blobs

    def check(self, spec: TaskSpec) -> None:
        """Every task can be run."""

    def sync(self, run: TaskRun) -> None:
        """Nobody else writes."""

    def row(self, run: TaskRun, current: OpenRound, stored: RoundRecord) -> RoundRecord:  # noqa: ARG002
        """See `RoundStore.row`: memory is ahead of the row."""
        return run.row(current)

    def begun(self, run: TaskRun, record: RoundRecord, rules: ReportRules) -> OpenRound:
        """See `RoundStore.begun`."""
        return fresh_round(record, run.checkpoint.artifact, rules, record.started_at, self._holds)

    def taken_up(self, record: RoundRecord, checkpoint: Artifact, rules: ReportRules, now: datetime) -> OpenRound:
        """See `RoundStore.taken_up`: exactly what the snapshot holds."""
        return restored_round(
            record, checkpoint, rules, database=self._database, blobs=self._blobs, now=now, holds=self._holds
        )

    def snapshot(self, current: OpenRound) -> SnapshotRecord | None:
        """See `RoundStore.snapshot`."""
        return self._database.snapshot(current.record.task_id, current.number)

    def save(self, current: OpenRound, attempt: Attempt) -> None:
        """See `RoundStore.save`."""
        new = attempt.devices - current.on_disk
        self._database.save_snapshot(attempt.record, attempt.snapshot, new, at=attempt.at, earlier=current.earlier)

    def close(self, run: TaskRun, current: OpenRound) -> tuple[Frozen, RoundRecord]:
        """See `RoundStore.close`."""
        frozen = current.accumulator.close()
        return frozen, with_result(run.row(current), frozen)

    def commit(
        self, current: OpenRound, record: RoundRecord, frozen: Frozen, checkpoint: CheckpointRecord | None
    ) -> None:
        """See `RoundStore.commit`."""
        self._database.commit_round(record, frozen.devices - current.on_disk, checkpoint, earlier=current.earlier)

    def abandon(self, record: RoundRecord) -> None:
        """See `RoundStore.abandon`."""
        self._database.abandon_round(record)
