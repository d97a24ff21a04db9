"""Takes a task onwards on disk: flush, commit, abandon, next round. The one place where acknowledgements come from.

The order is always: blob (synced), one transaction that refers to it, memory, and only then receipts. A failure
before the transaction's end leaves everything as it was, with the reports pending.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fieldfare.aggregator.engine._accumulator import Frozen
from fieldfare.aggregator.engine._checkpoints import read_checkpoint, write_checkpoint
from fieldfare.aggregator.engine._events import Event, EventKind, Outbox
from fieldfare.aggregator.engine._held import LostUpdateError
from fieldfare.aggregator.engine._open_round import Attempt, OpenRound, with_result
from fieldfare.aggregator.engine._sole_rounds import RoundStore
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.engine._telemetry import UNMEASURED, Telemetry
from fieldfare.aggregator.storage import (
    BlobStore,
    CheckpointRecord,
    Database,
    RoundRecord,
    SnapshotRecord,
    artifact_key,
)
from fieldfare.core.aggregation import MetricTotals, snapshot_digest
from fieldfare.core.errors import FieldfareError, StorageError
from fieldfare.core.metrics import means
from fieldfare.core.rounds import RoundState, Verdict
from fieldfare.core.server_optimizers import Participation, server_optimizer
from fieldfare.core.tasks import (
    Algorithm,
    Finished,
    NextRound,
    TaskAction,
    TaskProgress,
    TaskSpec,
    TaskState,
    apply_action,
    next_step,
)

_log = logging.getLogger("fieldfare.aggregator")


class Keeper:
    """Writes what tasks do.

    Args:
        database: rows.
        blobs: snapshots and checkpoints.
        clock: the present, timezone-aware.
        keep_checkpoints: newest versions kept beside version 0; 0 keeps all.
        keep_counted: how long ids of counted devices are kept; zero keeps them for ever.
        rounds: where the rows of rounds go.
        outbox: gets what happened, after it is on disk; its caller delivers when no lock is held.
        telemetry: measures snapshots and commits.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        *,
        clock: Callable[[], datetime],
        keep_checkpoints: int,
        keep_counted: timedelta,
        rounds: RoundStore,
        outbox: Outbox,
        telemetry: Telemetry = UNMEASURED,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._keep = keep_checkpoints
        self._keep_counted = keep_counted
        self.rounds = rounds
        self._outbox = outbox
        self._telemetry = telemetry
        # An artifact is written, then referred to. Who removes unreferenced ones must not come in between.
        self.artifacts = threading.Lock()

    def work(self, run: TaskRun) -> None:
        """Do everything that is due.

        Raises:
            StorageError: a write failed; nothing was acknowledged by it, and the same call may succeed later.
            StateError: the open round was closed by someone else: memory is not what is on disk.
            FieldfareError: the task cannot go on.
        """
        with run.persisting:
            if run.replaced:
                # Its round may be gone from memory already: it would begin another one beside that.
                return
            self.rounds.sync(run)
            while self._advance(run):
                pass
            # Safe: these are for people only. What is lost with a failing write, or in a crash, is a count too low.
            with contextlib.suppress(StorageError):
                for number, late, duplicates in run.take_strays():
                    self._database.add_strays(run.task_id, number, late=late, duplicates=duplicates)

    def control(self, run: TaskRun, action: TaskAction) -> None:
        """Take an operator's action.

        Raises:
            StateError: the task's state does not allow it.
            StorageError: it could not be written.
        """
        with run.persisting:
            if run.replaced:
                raise StorageError("the task was just read again from storage: try again")
            state = apply_action(run.state, action)
            if state is not run.state:
                self._change(run, state, "by hand" if state.ended else "")

    def fail(self, run: TaskRun, reason: str) -> None:
        """End the task as failed.

        Raises:
            StorageError: it could not be written.
        """
        with run.persisting:
            self._change(run, TaskState.FAILED, reason)

    def _advance(self, run: TaskRun) -> bool:
        """One step; whether there may be another."""
        if run.state.ended:
            return False
        current = run.open
        if current is None:
            return run.state is TaskState.RUNNING and self._begin_next(run)
        if current.doubtful is not None:
            self._settle(run, current, current.doubtful)
        decision = run.decide(self._clock())
        if decision.verdict is Verdict.COMMIT:
            self._commit_or_abandon(run, current)
        elif decision.verdict is Verdict.ABANDON:
            self._abandon(run, current, decision.reason)
        else:
            return self._flush(run, current)
        return True

    def _begin_next(self, run: TaskRun) -> bool:
        step = next_step(run.spec, run.progress)
        if isinstance(step, Finished):
            self._change(run, TaskState.COMPLETED, step.reason)
            return False
        now = self._clock()
        record = RoundRecord(run.task_id, run.next_number, step, run.checkpoint.version, now)
        self._database.begin_round(record)
        run.begin(self.rounds.begun(run, record, run.rules(step)))
        _log.info("task=%s round=%d %s begins", run.task_id, record.number, step.name.lower())
        return True

    def _flush(self, run: TaskRun, current: OpenRound) -> bool:
        """Write a snapshot when enough reports are pending; whether one was written."""
        if current.accumulator.holds or run.pending(current) < current.threshold:
            return False
        with self._telemetry.operation("snapshot", run.task_id, current.number):
            self._write_snapshot(run, current)
        return True

    def _write_snapshot(self, run: TaskRun, current: OpenRound) -> None:
        frozen = current.accumulator.freeze()
        count = len(frozen.devices)
        key = _snapshot_key(current, frozen)
        attempt = Attempt(
            record=with_result(run.row(current), frozen),
            snapshot=SnapshotRecord(run.task_id, current.number, key, count, frozen.weight, frozen.metrics),
            devices=frozen.devices,
            at=self._clock(),
        )
        current.doubtful = attempt
        try:
            if key:
                self._blobs.put(key, [memoryview(frozen.result)])
            self.rounds.save(current, attempt)
        except FieldfareError:
            if not self._settle(run, current, attempt):
                raise
        else:
            self._adopt(run, current, attempt)

    def _settle(self, run: TaskRun, current: OpenRound, attempt: Attempt) -> bool:
        """After a failure: whether the snapshot is there after all. Otherwise its blob goes.

        Nothing further is written before this is known: the next snapshot must be compared with the one on disk, lest
        the two differ by fewer devices than they may.

        Raises:
            StorageError: the data base cannot say now.
        """
        kept, wanted = self.rounds.snapshot(current), attempt.snapshot
        if kept == wanted:
            self._adopt(run, current, attempt)
            return True
        current.doubtful = None
        if kept is None or kept.blob_key != wanted.blob_key:
            self._delete(wanted.blob_key)
        return False

    def _adopt(self, run: TaskRun, current: OpenRound, attempt: Attempt) -> None:
        """The snapshot is on disk: it takes the place of the one before."""
        before, added = current.blob_key, attempt.devices - current.on_disk
        current.on_disk, current.blob_key, current.doubtful = attempt.devices, attempt.snapshot.blob_key, None
        run.acknowledge(current, attempt.devices, attempt.record)
        run.remember(dict.fromkeys(added, attempt.at), attempt.at)
        count, new = len(attempt.devices), len(added)
        _log.info("task=%s round=%d snapshot devices=%d new=%d", run.task_id, current.number, count, new)
        self._delete(before)

    def _delete_snapshots(self, current: OpenRound) -> None:
        """The round is over."""
        self._delete(current.blob_key)
        if current.doubtful is not None:
            self._delete(current.doubtful.snapshot.blob_key)
        for part in current.merged:
            self._delete(part.snapshot.blob_key)

    def _commit_or_abandon(self, run: TaskRun, current: OpenRound) -> None:
        try:
            with self._telemetry.operation("commit", run.task_id, current.number):
                self._commit(run, current)
        except LostUpdateError as error:
            # Safe: where updates are held, nothing was acknowledged.
            self._abandon(run, current, str(error))

    def _commit(self, run: TaskRun, current: OpenRound) -> None:
        now = self._clock()
        try:
            frozen, record = self.rounds.close(run, current)
            record = replace(record, state=RoundState.COMMITTED, ended_at=now)
            if current.record.kind is NextRound.TRAINING:
                checkpoint = self._commit_training(run, current, frozen, record)
            else:
                checkpoint = run.checkpoint
                self.rounds.commit(current, record, frozen, None)
        except FieldfareError:
            current.accumulator.reopen()
            raise
        run.checkpoint = checkpoint
        if current.record.kind is NextRound.TRAINING:
            run.progress = replace(run.progress, rounds_committed=checkpoint.version)
        else:
            measured = means(MetricTotals.from_json(record.metrics).sums())
            run.progress = TaskProgress(
                run.progress.rounds_committed, record.checkpoint_version, measured, run.progress.evaluations + 1
            )
        run.remember(dict.fromkeys(frozen.devices - current.on_disk, now), now)
        run.finish(current, devices=frozen.devices)
        self._tell(run, EventKind.COMMITTED if record.kind is NextRound.TRAINING else EventKind.EVALUATED, record)
        self._delete_snapshots(current)
        self._trim(run)

    def _commit_training(
        self, run: TaskRun, current: OpenRound, frozen: Frozen, record: RoundRecord
    ) -> CheckpointRecord:
        if frozen.mean is None:
            raise StorageError("a training round has no sum")
        seen = self._participation(run, current, frozen) if run.scaffold else None
        optimizer = server_optimizer(run.spec.aggregation, run.manifest.statistics, seen)
        weights, state = read_checkpoint(self._blobs, run.checkpoint, run.manifest.weight_specs)
        state, weights = optimizer.apply(state or optimizer.init(weights), weights, frozen.mean)
        with self.artifacts:
            checkpoint = write_checkpoint(
                self._blobs, run.checkpoint, run.manifest.weight_specs, weights, state, record.ended_at or self._clock()
            )
            try:
                self.rounds.commit(current, record, frozen, checkpoint)
            except FieldfareError:
                for artifact in filter(None, (checkpoint.artifact, checkpoint.optimizer_state)):
                    self.forget_artifact(artifact.sha256)
                raise
        return checkpoint

    def _participation(self, run: TaskRun, current: OpenRound, frozen: Frozen) -> Participation:
        """How many devices the task has seen, with this round's and without."""
        # What other replicas have counted in is in the mean too.
        devices = frozen.devices | self._database.counted(run.task_id, current.number)
        before, again = self._database.participants(run.task_id, current.number, devices)
        reported = len(devices)
        return Participation(reported, before, before + reported - again)

    def _abandon(self, run: TaskRun, current: OpenRound, reason: str) -> None:
        record = replace(run.row(current), state=RoundState.ABANDONED, ended_at=self._clock(), reason=reason)
        self.rounds.abandon(record)
        run.finish(current, devices=None)
        self._tell(run, EventKind.ABANDONED, record, reason)
        self._delete_snapshots(current)

    def _change(self, run: TaskRun, state: TaskState, reason: str) -> None:
        now = self._clock()
        current = run.open
        self._database.set_task_state(run.task_id, state, reason, now if state.ended else None)
        run.change(state, reason, now)
        self._tell(run, EventKind(state.name.lower()), None, reason)
        if state.ended and current is not None:
            self._delete_snapshots(current)

    def _trim(self, run: TaskRun) -> None:
        """Remove old ids and checkpoints. Safe: rows that fail go after the next commit, files at the next start."""
        with contextlib.suppress(StorageError):
            self.forget_counted(run.task_id, run.spec)
        if not self._keep:
            return
        keep = max(self._keep, run.versions.checkpoints_back)
        with self.artifacts, contextlib.suppress(StorageError):
            for digest in self._database.forget_checkpoints(run.task_id, keep=keep):
                if self.rounds.alone:
                    self._delete(artifact_key(digest))

    def forget_counted(self, task_id: str, spec: TaskSpec) -> None:
        """Remove ids that nothing needs any more.

        Kept are those with which an assignment could count a second time, and whoever must stay away for a while. For
        SCAFFOLD all are: its control variate is the mean over every device that was ever counted.

        Raises:
            StorageError: they cannot be removed now.
        """
        if not self._keep_counted or spec.aggregation.algorithm is Algorithm.SCAFFOLD:
            return
        limits = (spec.training.report_timeout, spec.evaluation.report_timeout, spec.eligibility.min_separation)
        before = self._clock() - max(self._keep_counted, *limits)
        if count := self._database.forget_counted(task_id, before=before):
            _log.info("task=%s forgot %d ids that were counted before %s", task_id, count, before.isoformat())

    def forget_artifact(self, digest: bytes) -> None:
        """Remove an artifact to which nothing refers; a start removes what is left behind here."""
        with contextlib.suppress(StorageError):
            # Another replica may have written the same content, and may be about to refer to it.
            if self.rounds.alone and self._database.refers_to(digest) is None:
                self._blobs.delete(artifact_key(digest))

    def _delete(self, key: str) -> None:
        """Remove a blob to which nothing refers any more; no key, no blob."""
        if not key:
            return
        try:
            self._blobs.delete(key)
        except StorageError as error:
            _log.warning("the next start will remove what is of no use any more: %s", error)

    def _tell(self, run: TaskRun, kind: EventKind, record: RoundRecord | None, reason: str = "") -> None:
        number = "" if record is None else f" round={record.number}"
        why = f": {reason}" if reason else ""
        _log.info("task=%s%s %s%s", run.task_id, number, kind.value, why)
        self._outbox.add(Event(kind, run.task_id, run.spec.name, record, reason))


def _snapshot_key(current: OpenRound, frozen: Frozen) -> str:
    """Where the sum goes; empty for an evaluation round, which has none."""
    if not frozen.result:
        return ""
    whose = f"{current.part}-" if current.part else ""
    name = f"{whose}{len(frozen.devices)}-{snapshot_digest(frozen.result).hex()[:16]}"
    return f"snapshots/{current.record.task_id}/{current.number}/{name}"
