"""The tasks that are running or paused: loaded at the start, added at submission, dropped at their end."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from fieldfare.aggregator.engine._checkpoints import read_artifact
from fieldfare.aggregator.engine._keeper import Keeper
from fieldfare.aggregator.engine._sole_rounds import OvertakenError
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.storage import BlobStore, DamagedError, Database, TaskRecord, damage
from fieldfare.core.aggregation import MetricTotals
from fieldfare.core.errors import FieldfareError, StateError, StorageError
from fieldfare.core.metrics import means
from fieldfare.core.plans import read_manifest
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import TaskProgress, TaskSpec, TaskState
from fieldfare.protos.v1 import task_pb2

_log = logging.getLogger("fieldfare.aggregator")
_OPEN = {RoundState.SELECTING, RoundState.COLLECTING}


class Tasks:
    """Active tasks by id and by population. Safe to use from several threads.

    Args:
        database: rows.
        blobs: plans, checkpoints, snapshots.
        keeper: writes what they do.
        clock: the present, timezone-aware.
    """

    def __init__(self, database: Database, blobs: BlobStore, keeper: Keeper, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._blobs = blobs
        self._keeper = keeper
        self._clock = clock
        self._lock = threading.Lock()
        # Two threads may find at once that a task is to be read: the submission, and the search for others' tasks.
        self._loading = threading.Lock()
        self._runs: dict[str, TaskRun] = {}
        self._turn = 0
        self._given: dict[str, int] = {}

    def load(self) -> None:
        """Take up every task that had not ended. One whose state is damaged is ended as failed, with the reason.

        Raises:
            StorageError: storage cannot be read now; then nothing has been written. Or it cannot be written.
        """
        # All is read before anything is written: whether a later task can be read must not matter to an earlier one.
        found = [(record, self._restored(record)) for record in self._database.tasks(active=True)]
        for record, run in found:
            self._take(record, run)

    def load_one(self, record: TaskRecord) -> None:
        """Take up one task from storage, in place of what memory may hold of it; fail it where that is damaged.

        Raises:
            StorageError: storage cannot be read or written now; the task is as it was.
        """
        with self._loading:
            if (old := self.find(record.task_id)) is not None:
                old.retire()
            try:
                self._take(record, self._restored(record))
            except BaseException:
                if old is not None:
                    old.go_on()
                raise

    def _restored(self, record: TaskRecord) -> TaskRun | str:
        """The task as storage has it, or why what is there can never be used."""
        try:
            return self._restore(record)
        except FieldfareError as error:
            if _may_pass(error):
                raise
            # Safe: an average is never formed from state that is not wholly what was written.
            return f"its state cannot be read: {error}"

    def _take(self, record: TaskRecord, run: TaskRun | str) -> None:
        if isinstance(run, str):
            _log.error("task=%s failed: %s", record.task_id, run)
            self._database.set_task_state(record.task_id, TaskState.FAILED, run, self._clock())
            self._replace(record.task_id, None)
            return
        self._replace(record.task_id, run)

    def _replace(self, task_id: str, run: TaskRun | None) -> None:
        with self._lock:
            old = self._runs.get(task_id)
            if run is not None:
                self._runs[task_id] = run
            elif old is not None:
                del self._runs[task_id]
        if old is not None:
            old.discard()

    def find(self, task_id: str) -> TaskRun | None:
        """The active task of this id."""
        return self._runs.get(task_id)

    def taken_up(self, record: TaskRecord) -> TaskRun | None:
        """The task, read from storage where another replica took it in a moment ago; None where it has ended.

        Raises:
            StorageError: storage cannot be read or written now.
        """
        if self.find(record.task_id) is None and not record.state.ended:
            self.load_one(record)
        return self.find(record.task_id)

    def ids(self) -> list[str]:
        """Ids of all active tasks."""
        with self._lock:
            return list(self._runs)

    def drop(self, task_id: str) -> None:
        """The task has ended."""
        with self._lock:
            over = self._runs.pop(task_id, None)
            self._given.pop(task_id, None)
        if over is not None:
            over.discard()

    def drop_ended(self, task_id: str) -> bool:
        """Drop a task that has ended as storage has it, though memory does not know; whether that was so.

        Raises:
            StorageError: storage cannot be read now.
        """
        record = self._database.task(task_id)
        ended = record is not None and record.state.ended
        if ended:
            self.drop(task_id)
        return ended

    def in_turn(self, population: str) -> list[TaskRun]:
        """The population's tasks, beginning with the one that has waited longest since it was given a device."""
        with self._lock:
            runs = [run for run in self._runs.values() if run.record.population == population]
            return sorted(runs, key=lambda run: self._given.get(run.task_id, 0))

    def given(self, run: TaskRun) -> None:
        """A device was given to this task; the others of its population come before it now."""
        with self._lock:
            self._turn += 1
            self._given[run.task_id] = self._turn

    def work(self, task_id: str) -> None:
        """Do everything that is due for one task.

        Raises:
            StorageError: a write failed; the same call may succeed later.
        """
        run = self.find(task_id)
        if run is None:
            return
        try:
            self._keeper.work(run)
        except StateError as error:
            if self.find(task_id) is not run:
                # Another thread has read it again meanwhile.
                return
            level = logging.INFO if isinstance(error, OvertakenError) else logging.WARNING
            _log.log(level, "task=%s is read again from storage: %s", task_id, error)
            if not self.drop_ended(task_id) and (record := self._database.task(task_id)) is not None:
                self.load_one(record)
        except FieldfareError as error:
            if _may_pass(error):
                raise
            _log.error("task=%s failed: %s", task_id, error)
            self._keeper.fail(run, str(error))
        if run.state.ended:
            self.drop(task_id)

    def _restore(self, record: TaskRecord) -> TaskRun:
        spec = TaskSpec.from_proto(task_pb2.TaskSpec.FromString(record.spec))
        known = self.find(record.task_id)
        # A plan does not change: a task that is read again, since other replicas took it onwards, has its own already.
        manifest = read_manifest(read_artifact(self._blobs, record.plan)) if known is None else known.manifest
        checkpoint = self._database.newest_checkpoint(record.task_id)
        read_artifact(self._blobs, checkpoint.artifact)
        progress = TaskProgress(rounds_committed=checkpoint.version)
        if (evaluation := self._database.newest_evaluation(record.task_id)) is not None:
            with damage():
                measured = means(MetricTotals.from_json(evaluation.metrics).sums())
            evaluations = self._database.evaluations(record.task_id)
            progress = TaskProgress(checkpoint.version, evaluation.checkpoint_version, measured, evaluations)
        newest = self._database.newest_round(record.task_id)
        run = TaskRun(record, spec, manifest, checkpoint, progress, 1 if newest is None else newest.number + 1)
        if separation := spec.eligibility.min_separation:
            now = self._clock()
            run.remember(self._database.participations(record.task_id, since=now - separation), now)
        back = 0 if newest is None else run.versions.rounds_back
        while newest is not None and back:
            rounds = self._database.rounds(record.task_id, after=newest.number - back)
            run.versions.begin(rounds)
            back = 0 if back >= newest.number or run.versions.reaches(rounds[0]) else 2 * back
        if newest is not None and newest.state in _OPEN:
            rules = run.rules(newest.kind)
            current = self._keeper.rounds.taken_up(newest, checkpoint.artifact, rules, self._clock())
            run.begin(current)
            _log.info("task=%s round=%d goes on with %d devices", record.task_id, newest.number, len(current.on_disk))
        return run


def _may_pass(error: FieldfareError) -> bool:
    """Whether the same call may succeed later: storage that fails now, as opposed to what is wrong for good."""
    return isinstance(error, StorageError) and not isinstance(error, DamagedError)
