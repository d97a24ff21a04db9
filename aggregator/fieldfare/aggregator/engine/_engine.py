"""What the services call: one method for each call of the protocol, without the wire."""

import contextlib
import logging
import re
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from fieldfare.aggregator.engine import _check_in
from fieldfare.aggregator.engine._events import Event, EventKind, Observer, Outbox
from fieldfare.aggregator.engine._held import Holds
from fieldfare.aggregator.engine._keeper import Keeper
from fieldfare.aggregator.engine._load import TaskLoad, task_load
from fieldfare.aggregator.engine._reports import Reports
from fieldfare.aggregator.engine._shared_rounds import SharedRounds
from fieldfare.aggregator.engine._sole_rounds import RoundStore, SoleRounds
from fieldfare.aggregator.engine._status import task_status
from fieldfare.aggregator.engine._submission import Incoming
from fieldfare.aggregator.engine._tasks import Tasks
from fieldfare.aggregator.engine._telemetry import UNMEASURED, Telemetry
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.aggregator.storage import BlobStore, CheckpointRecord, Database, TaskRecord, artifact_key
from fieldfare.core.errors import FieldfareError, NotFoundError, StateError, StorageError
from fieldfare.core.rounds import DistinctDevices, Ticket, Verdict, come_back_after, go_on_after, open_ticket
from fieldfare.core.tasks import TaskAction, TaskSpec, TaskState
from fieldfare.protos.v1 import aggregator_pb2, task_pb2

_log = logging.getLogger("fieldfare.aggregator")
_ID_PREFIX = re.compile(r"[0-9a-f]{6,32}")
_IDS_SHOWN = 10


def _ignore(_: Event) -> None:
    """Nobody listens."""


class Engine:
    """The aggregator without its sockets.

    Args:
        database: rows.
        blobs: plans, checkpoints, snapshots.
        settings: bounds and time limits.
        clock: the present, timezone-aware.
        uniform: random numbers in [0, 1), for jitter.
        observer: is told what happened, when no lock is held; what it raises is logged and changes nothing.
        telemetry: measures the work.
        replica: this process's name where others share its storage, never used before; empty where it is alone.
        scratch: where encrypted files without a name lie, when `max_held_bytes` is not enough; None for the system's.

    Attributes:
        reports: what devices report.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        settings: ServerSettings,
        *,
        clock: Callable[[], datetime],
        uniform: Callable[[], float],
        observer: Observer = _ignore,
        telemetry: Telemetry = UNMEASURED,
        replica: str = "",
        scratch: Path | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._clock = clock
        self._uniform = uniform
        self._outbox = Outbox(observer)
        self._key = database.ticket_key()
        self._devices = DistinctDevices(settings.pace.window, secrets.token_bytes(16), clock())
        self._checking_in = threading.Lock()
        self._rounds: RoundStore = SoleRounds(database, blobs, Holds(settings.engine.max_held_bytes, scratch))
        if replica:
            patience = settings.storage.replica_patience
            self._rounds = SharedRounds(database, blobs, replica=replica, patience=patience, clock=clock)
        self._keeper = Keeper(
            database,
            blobs,
            clock=clock,
            keep_checkpoints=settings.engine.keep_checkpoints,
            keep_counted=settings.engine.keep_counted,
            rounds=self._rounds,
            outbox=self._outbox,
            telemetry=telemetry,
        )
        self._tasks = Tasks(database, blobs, self._keeper, clock)
        self.reports = Reports(self._tasks, database, self._key, clock, telemetry)

    def start(self) -> None:
        """Take up the tasks that had not ended, and remove blobs that a crash left behind.

        Raises:
            StorageError: storage cannot be used.
        """
        self._tasks.load()
        self._forget_counted()
        if self._rounds.alone:
            self._remove_unused(None)

    def _forget_counted(self) -> None:
        """Remove old ids, also of tasks that have ended, which nothing else looks at."""
        for record in self._database.tasks():
            self._keeper.forget_counted(record.task_id, TaskSpec.from_proto(task_pb2.TaskSpec.FromString(record.spec)))

    def look_around(self) -> list[str]:
        """Take up tasks that were submitted to other replicas.

        Returns:
            Ids of the new ones.

        Raises:
            StorageError: storage cannot be read now.
        """
        new = [one for one in self._database.tasks(active=True) if self._tasks.find(one.task_id) is None]
        for record in new:
            self._tasks.load_one(record)
        return [one.task_id for one in new]

    def remove_unused(self) -> None:
        """Remove blobs to which no row refers, and which are so old that no replica is about to refer to them.

        Raises:
            StorageError: storage cannot be read or written now.
        """
        self._remove_unused(self._clock() - self._settings.storage.unused_for)

    def _remove_unused(self, written_before: datetime | None) -> None:
        # Listed first: what is written and referred to meanwhile is not in the list, or is among what is kept.
        found = list(self._blobs.keys(written_before=written_before))
        kept = self._database.blob_keys()
        for key in found:
            if key not in kept:
                _log.info("removing the unused blob %s", key)
                self._blobs.delete(key)

    # Tasks.

    def active_tasks(self) -> list[str]:
        """Ids of tasks that are running or paused."""
        return self._tasks.ids()

    def submit(self, incoming: Incoming) -> task_pb2.TaskStatus:
        """Check and keep a task that has been received as a whole; it runs at once, unless it is a draft.

        Raises:
            FieldfareError: what is wrong with it; nothing is kept then.
        """
        plan, checkpoint, _ = incoming.check()
        self._rounds.check(incoming.spec)
        now, task_id, spec = self._clock(), secrets.token_hex(16), incoming.spec
        record = TaskRecord(
            task_id=task_id,
            name=spec.name,
            population=spec.population,
            spec=spec.to_proto().SerializeToString(deterministic=True),
            state=TaskState.DRAFT if spec.draft else TaskState.RUNNING,
            plan=incoming.plan,
            created_at=now,
            plan_signatures=incoming.plan_signatures,
        )
        first = CheckpointRecord(task_id, 0, incoming.checkpoint, now)
        with self._keeper.artifacts:
            try:
                for artifact, content in ((incoming.plan, plan), (incoming.checkpoint, checkpoint)):
                    self._blobs.put(artifact_key(artifact.sha256), [content])
                self._database.add_task(record, first)
            except FieldfareError:
                for artifact in (incoming.plan, incoming.checkpoint):
                    self._keeper.forget_artifact(artifact.sha256)
                raise
        try:
            self._tasks.load_one(record)
        except StorageError as error:
            # The submitter is told that it failed, so it must not come to life at the next start.
            reason = f"it could not be read back: {error}"
            with contextlib.suppress(StorageError):
                self._database.set_task_state(task_id, TaskState.FAILED, reason, now)
            raise
        with contextlib.suppress(StorageError):
            self._forget_counted()
        _log.info("task=%s submitted name=%s population=%s", task_id, spec.name, spec.population)
        self._outbox.add(Event(EventKind.SUBMITTED, task_id, spec.name))
        self._work_if_possible(task_id)
        return task_status(record, first)

    def list_tasks(self, population: str) -> list[task_pb2.TaskStatus]:
        """All tasks of a population, oldest first; of all populations where it is empty."""
        return [self._status(record) for record in self._database.tasks(population=population)]

    def get_task(self, task: str, rounds_after: int | None = None) -> task_pb2.TaskStatus:
        """One task by id, or by its name or the beginning of its id where that is unique.

        Args:
            task: id, name, or at least 6 characters of an id.
            rounds_after: also the rounds with a number above this.

        Raises:
            NotFoundError: there is none.
            StateError: several are meant.
        """
        return self._status(self._named(task), rounds_after)

    def control(self, task: str, action: TaskAction) -> task_pb2.TaskStatus:
        """Start, pause, resume or cancel a task.

        Raises:
            NotFoundError: there is none.
            StateError: several are meant, or the task's state does not allow it.
        """
        record = self._named(task)
        run = self._tasks.taken_up(record)
        if run is None:
            record = self._named(record.task_id)
            if (record.state, action) == (TaskState.CANCELLED, TaskAction.CANCEL):
                return self._status(record)
            raise StateError(
                f"the task is {record.state.name.lower()} ({record.reason}): it cannot be changed any more"
            )
        try:
            self._keeper.control(run, action)
        except StateError:
            if not self._tasks.drop_ended(run.task_id):
                raise
            # The answer to what ended it was lost, or another replica ended it.
            return self.control(task, action)
        if run.state.ended:
            self._tasks.drop(run.task_id)
        self._work_if_possible(run.task_id)
        return self._status(self._named(record.task_id))

    def work(self, task_id: str) -> None:
        """Do everything that is due for a task: flush, commit, abandon, begin.

        Raises:
            StorageError: a write failed; the same call may succeed later.
        """
        try:
            self._tasks.work(task_id)
        finally:
            # Also after a failure: what was written before it did happen.
            self._outbox.deliver()

    def _work_if_possible(self, task_id: str) -> None:
        """Have a round open before the answer. Safe: what cannot be written now, `work` tries again."""
        with contextlib.suppress(StorageError):
            self.work(task_id)

    def is_urgent(self, task_id: str) -> bool:
        """Whether `work` would do more than write a snapshot: a round to begin or to end, a task that is over."""
        run = self._tasks.find(task_id)
        return run is None or run.open is None or run.decide(self._clock()).verdict is not Verdict.WAIT

    def next_deadline(self, task_id: str) -> datetime | None:
        """When `work` may find something due without any call from outside."""
        run = self._tasks.find(task_id)
        deadline = None if run is None else run.next_deadline()
        if run is None or self._rounds.alone:
            return deadline
        soon = self._clock() + self._settings.storage.poll
        return soon if deadline is None else min(deadline, soon)

    # What is looked at from outside; all from memory.

    def load(self) -> list[TaskLoad]:
        """What every active task does now, oldest first."""
        found = (self._tasks.find(task_id) for task_id in self._tasks.ids())
        return [task_load(run) for run in sorted(filter(None, found), key=lambda run: run.record.created_at)]

    def devices(self) -> int:
        """Estimate of the devices that called lately."""
        with self._checking_in:
            return self._devices.count(self._clock())

    # Artifacts.

    def artifact_size(self, sha256: bytes, sealed: bytes | None) -> tuple[int, Ticket | None]:
        """Size in bytes of an artifact, and the ticket under which a device may have it.

        Args:
            sha256: which one.
            sealed: the device's ticket; None for administration, which may have any.

        Raises:
            ProtocolError: a ticket that is not ours.
            NotFoundError: there is no such artifact, or not in the ticket's task.
        """
        ticket = None if sealed is None else open_ticket(self._key, sealed)
        task_id = "" if ticket is None else ticket.task_id.hex()
        if (run := self._tasks.find(task_id)) is not None:
            for artifact in filter(None, (run.record.plan, run.checkpoint.artifact, run.control)):
                if artifact.sha256 == sha256:
                    return artifact.size_bytes, ticket
        # A server optimiser's state is nobody's to fetch, except for SCAFFOLD, where it is what devices correct with.
        states = ticket is None or (run is not None and run.scaffold)
        size = self._database.refers_to(sha256, task_id, states=states)
        if size is None:
            raise NotFoundError(f"there is no artifact {sha256.hex()}" + (" in the ticket's task" if ticket else ""))
        return size, ticket

    def read_artifact(self, sha256: bytes, offset: int, length: int) -> bytes:
        """Up to `length` bytes of an artifact.

        Raises:
            StorageError: they cannot be read.
        """
        return self._blobs.read(artifact_key(sha256), offset, length)

    def count_download(self, ticket: Ticket | None, nbytes: int) -> None:
        """So many bytes went out under this ticket."""
        run = None if ticket is None else self._tasks.find(ticket.task_id.hex())
        if run is not None and ticket is not None:
            run.count_download(ticket.round_number, nbytes)

    # Devices.

    def check_in(self, request: aggregator_pb2.CheckInRequest) -> aggregator_pb2.CheckInResponse:
        """Hand out work, or say when to come back.

        Raises:
            ProtocolError: a device id or population that cannot be.
        """
        _check_in.check_request(request)
        now = self._clock()
        with self._checking_in:
            self._devices.see(request.device_id, now)
            choice = _check_in.choose(self._tasks, request, now)
        if isinstance(choice, str):
            return aggregator_pb2.CheckInResponse(
                come_back=aggregator_pb2.ComeBack(after=self.come_back_after(), reason=choice)
            )
        return aggregator_pb2.CheckInResponse(
            assignment=_check_in.make_assignment(self._key, choice, request.device_id, now)
        )

    def come_back_after(self, population: str = "") -> timedelta:
        """When a device should call next.

        Args:
            population: for a device that has done its work, or whose call was held open: where this population has
                work to come, its next call may be held open too. Empty: for one that is only to stay away.
        """
        with self._checking_in:
            devices = self._devices.count(self._clock())
        pace, uniform = self._settings.pace, self._uniform()
        if not self.expects_work(population):
            return come_back_after(pace, devices=devices, uniform=uniform)
        return go_on_after(pace, devices=devices, room=self._settings.engine.max_waiting, uniform=uniform)

    def expects_work(self, population: str) -> bool:
        """Whether a task of the population is running, so that waiting is worth while."""
        return any(run.state is TaskState.RUNNING for run in self._tasks.in_turn(population))

    def has_places(self, population: str) -> bool:
        """Whether a device of the population could be handed work now."""
        now = self._clock()
        return any(run.has_places(now) for run in self._tasks.in_turn(population))

    def population_of(self, ticket: Ticket) -> str:
        """The population of the ticket's task; empty where that has ended."""
        run = self._tasks.find(ticket.task_id.hex())
        return "" if run is None else run.record.population

    def take_back(self, assignment: aggregator_pb2.Assignment) -> None:
        """The answer with this assignment never reached its device: the place is another's."""
        run = self._tasks.find(assignment.task_id)
        if run is not None:
            run.take_back(open_ticket(self._key, assignment.ticket))

    def _named(self, task: str) -> TaskRecord:
        if (record := self._database.task(task)) is not None:
            return record
        found, what = self._database.tasks(name=task) if task else [], "the name"
        if not found and _ID_PREFIX.fullmatch(task):
            found = [one for one in self._database.tasks() if one.task_id.startswith(task)]
            what = "an id that begins with"
        if not found:
            raise NotFoundError(f"there is no task {task!r}: `fieldfare task list` shows all")
        if len(found) > 1:
            ids = ", ".join(one.task_id for one in found[-_IDS_SHOWN:])
            newest = "" if len(found) <= _IDS_SHOWN else f"; the newest {_IDS_SHOWN} are"
            raise StateError(f"{len(found)} tasks have {what} {task!r}: give the id of one of them{newest}: {ids}")
        return found[0]

    def _status(self, record: TaskRecord, rounds_after: int | None = None) -> task_pb2.TaskStatus:
        rounds = [] if rounds_after is None else self._database.rounds(record.task_id, after=rounds_after)
        run = self._tasks.find(record.task_id)
        current = None if run is None else run.open
        if run is not None and current is not None and rounds and rounds[-1].number == current.number:
            rounds[-1] = self._rounds.row(run, current, rounds[-1])
        checkpoint = self._database.newest_checkpoint(record.task_id)
        return task_status(record, checkpoint, rounds, evaluations=self._database.evaluations(record.task_id))
