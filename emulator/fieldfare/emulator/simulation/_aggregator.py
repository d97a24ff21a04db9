"""The aggregator's engine as the devices of an emulation reach it: the same calls, without a wire."""

import itertools
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from fieldfare.aggregator import ServerSettings
from fieldfare.aggregator.engine import Engine, Event, Incoming, Standing
from fieldfare.aggregator.storage import FolderBlobStore, StateFolder, open_sqlite
from fieldfare.core.errors import UpdateError
from fieldfare.core.plans import Manifest, PlanRuntime
from fieldfare.core.rounds import Ticket
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import TaskSpec
from fieldfare.core.weights import pack_weights, sha256
from fieldfare.emulator.devices import capabilities
from fieldfare.emulator.simulation._clock import EmulatedClock
from fieldfare.emulator.simulation._flights import Flight
from fieldfare.emulator.workers import Done
from fieldfare.protos.v1 import admin_pb2, aggregator_pb2, task_pb2, tensors_pb2

_PIECE = 2**20
_OVER = {task_pb2.ROUND_STATE_COMMITTED, task_pb2.ROUND_STATE_ABANDONED}


class EmulatedAggregator:
    """One engine with its storage in a folder, and one task.

    Args:
        folder: its state.
        clock: emulated time.
        settings: bounds.
    """

    def __init__(self, folder: Path, clock: EmulatedClock, settings: ServerSettings | None = None) -> None:
        self._settings = settings or ServerSettings()
        self._state = StateFolder(folder)
        self._database = open_sqlite(self._state.database_file)
        self._events: deque[Event] = deque()
        self._engine = Engine(
            self._database,
            FolderBlobStore(self._state.blobs),
            self._settings,
            clock=clock,
            uniform=lambda: 0.5,
            observer=self._events.append,
            scratch=self._state.incoming,
        )
        self._engine.start()
        self._task, self._holds = "", False
        self._over: list[task_pb2.RoundStatus] = []
        self._capabilities = capabilities(0)

    @property
    def database_file(self) -> Path:
        """The aggregator's data base; SQLite."""
        return self._state.database_file

    def submit(self, plan: bytes, spec: TaskSpec) -> Manifest:
        """Begin the task, with the plan's own weights.

        Raises:
            FieldfareError: what is wrong with plan or task.
        """
        runtime = PlanRuntime(plan)
        weights: NDArray[np.float32] = runtime.get_weights()
        checkpoint = pack_weights(runtime.manifest.weight_specs, weights)
        header = admin_pb2.SubmitTaskHeader(
            spec=spec.to_proto(),
            plan=tensors_pb2.ArtifactRef(sha256=sha256(plan), size_bytes=len(plan)),
            checkpoint=tensors_pb2.ArtifactRef(sha256=sha256(checkpoint), size_bytes=len(checkpoint)),
        )
        largest = self._settings.limits.max_artifact_bytes
        with Incoming(self._state.incoming, header, max_artifact_bytes=largest) as incoming:
            for content in (plan, checkpoint):
                for start in range(0, len(content), _PIECE):
                    incoming.write(content[start : start + _PIECE])
            self.go_on(self._engine.submit(incoming).task_id, spec)
        return runtime.manifest

    def go_on(self, task: str, spec: TaskSpec) -> None:
        """With a task that was submitted before; devices that were at work then are told by `carry`.

        Args:
            task: its id.
            spec: as it was submitted.
        """
        self._task, self._holds = task, spec.aggregation.holds_updates

    @property
    def task(self) -> str:
        """The task's id."""
        return self._task

    # What drives it.

    @property
    def active(self) -> bool:
        """Whether the task is still running."""
        return self._task in self._engine.active_tasks()

    @property
    def urgent(self) -> bool:
        """Whether `work` has something to do now."""
        return self._engine.is_urgent(self._task)

    def work(self) -> list[Event]:
        """Do what is due: begin rounds, commit them, end the task.

        Returns:
            What happened.

        Raises:
            StorageError: it could not be written.
        """
        self._engine.work(self._task)
        events = list(self._events)
        self._events.clear()
        return events

    def next_deadline(self) -> datetime | None:
        """When `work` may find something due though no device calls; None for never."""
        return self._engine.next_deadline(self._task)

    def status(self, *, whole: bool = False) -> task_pb2.TaskStatus:
        """The task with all of its rounds.

        Args:
            whole: read those again that were over when this was asked last: late reports may have come to them.
        """
        if whole:
            self._over.clear()
        status = self._engine.get_task(self._task, self._over[-1].number if self._over else 0)
        fresh = list(status.rounds)
        del status.rounds[:]
        status.rounds.extend([*self._over, *fresh])
        self._over += itertools.takewhile(lambda one: one.state in _OVER, fresh)
        return status

    def weights(self) -> bytes:
        """The newest checkpoint."""
        newest = self._engine.get_task(self._task).checkpoint
        return self._engine.read_artifact(newest.sha256, 0, newest.size_bytes)

    def close(self) -> None:
        """Close the storage."""
        self._database.close()
        self._state.close()

    def __enter__(self) -> "EmulatedAggregator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What devices call.

    def has_places(self, population: str) -> bool:
        """Whether a device could be handed work now."""
        return self._engine.has_places(population)

    def check_in(self, population: str, device_id: bytes, memory_bytes: int) -> aggregator_pb2.CheckInResponse:
        """Offer a device."""
        return self._engine.check_in(self._request(population, device_id, memory_bytes))

    def ticket_of(self, assignment: aggregator_pb2.Assignment, device_id: bytes) -> Ticket:
        """The ticket that came with an assignment, opened.

        Raises:
            UpdateError: it is not this aggregator's.
        """
        header = aggregator_pb2.ReportHeader(ticket=assignment.ticket, device_id=device_id)
        return self._engine.reports.read_ticket(header)

    def download(self, flight: Flight) -> None:
        """The device fetches what its assignment needs."""
        self._engine.count_download(flight.ticket, flight.bytes_down)

    def missing(self) -> int | None:
        """Reports that the open round still wants; None without one, and for a buffer: it takes what comes."""
        (load,) = self._engine.load() or (None,)
        if load is None or load.round_goal == 0 or load.buffered:
            return None
        return load.round_goal - load.round_reported

    def standing(self, ticket: Ticket) -> Standing:
        """What would become of a report now: ABSENT where it could be counted, WAITING where it could be later."""
        standing = self._standing(ticket)
        return Standing.GONE if self._engine.reports.expired(ticket) else standing

    def report(self, ticket: Ticket, header: aggregator_pb2.ReportHeader, done: Done) -> tuple[Ended, str]:
        """Take a report in.

        Returns:
            What its device is told in the end, provided that the round commits; and why, where it is refused.

        Raises:
            StorageError: it cannot be held.
        """
        reports = self._engine.reports
        if header.outcome != aggregator_pb2.OUTCOME_DONE:
            reports.withdraw(ticket)
            return Ended.WITHDRAWN, done.detail
        try:
            if self._standing(ticket) is Standing.ABSENT:
                admission = reports.admit(ticket, header)
                # What is held until the commit must outlive the memory in which it came.
                payload = bytes(done.payload) if self._holds else done.payload
                if admission is not None and reports.add(admission, payload, None):
                    return Ended.COUNTED, ""
        except UpdateError as error:
            return Ended.REFUSED, str(error)
        reports.count_stray(ticket, late=True)
        return Ended.LATE, ""

    def late(self, flight: Flight) -> None:
        """A report comes that is not wanted any more."""
        self._engine.reports.count_stray(flight.ticket, late=True)

    def leave(self, flight: Flight) -> None:
        """The device gives up, since its conditions do not hold any more, and says so."""
        if self._standing(flight.ticket) is Standing.ABSENT:
            self._engine.reports.withdraw(flight.ticket)
        else:
            self._engine.reports.count_stray(flight.ticket, late=True)

    def carry(self, tickets: Iterable[Ticket]) -> None:
        """After a restart: these devices are at work, as the aggregator knew before."""
        self._engine.reports.carry(tickets)

    def is_counted(self, ticket: Ticket) -> bool:
        """Whether the report for the assignment is in a committed round."""
        return self._standing(ticket) is Standing.COUNTED

    def _request(self, population: str, device_id: bytes, memory_bytes: int) -> aggregator_pb2.CheckInRequest:
        capabilities = self._capabilities
        capabilities.memory_bytes = memory_bytes
        return aggregator_pb2.CheckInRequest(population=population, device_id=device_id, capabilities=capabilities)

    def _standing(self, ticket: Ticket) -> Standing:
        reports = self._engine.reports
        standing = reports.standing(ticket)
        return reports.standing_on_disk(ticket) if standing is Standing.UNSURE else standing
