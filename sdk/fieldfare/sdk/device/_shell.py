"""Carries out the actions of a session: sockets, files and the clock are here, the protocol is in the core."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from fieldfare.core.errors import TransportError
from fieldfare.core.sessions import (
    Action,
    AskReceipt,
    Assignment,
    CheckIn,
    FetchArtifact,
    Forget,
    Keep,
    KeepControl,
    Participation,
    Send,
    Session,
    Wait,
    Work,
    WorkResult,
)
from fieldfare.core.weights import TensorSpec
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.device._current import Current
from fieldfare.sdk.device._folder import DeviceFolder
from fieldfare.sdk.enrollment import AuthorizedTransport
from fieldfare.sdk.pace import Moment
from fieldfare.sdk.store import ExampleSource
from fieldfare.sdk.training import NO_LIMITS, Job, Limits, LocalTrainer, Rest, do_work
from fieldfare.sdk.transport import DEFAULT_CHUNK_BYTES, SMALL_CHUNK_BYTES, ReportStream

_LOG = logging.getLogger("fieldfare.sdk")


class Stopped(Exception):  # noqa: N818 - it is a signal, not a failure
    """The caller's stop event was set."""


class Postponed(Exception):  # noqa: N818 - it is a signal, not a failure
    """The network is not one that its owner allows: what was downloaded or made is kept for the next run."""


@dataclass(slots=True)
class Shell:
    """One participation's shell.

    Attributes:
        folder: locked by the caller.
        transport: carries the token, and writes the ledger.
        trainer: runs the plan.
        source: the examples.
        stop: ends waits, downloads and training.
        now: the present for time limits, timezone-aware.
        unmet: the first condition that does not hold, in words.
        offline: why nothing large may pass the network now, in words; asked for each piece of a download, and before an
            update is sent.
        rng_of: the shuffling of an assignment.
        on_wait: told before each wait.
        on_work: called before the work of a round begins.
        moment: the present, for a later process to measure from.
        limits: what the app lets the work take.
        measure: tell the app held-out metrics before and after training.
    """

    folder: DeviceFolder
    transport: AuthorizedTransport
    trainer: LocalTrainer
    source: ExampleSource
    stop: threading.Event
    now: Callable[[], datetime]
    unmet: Callable[[], str]
    offline: Callable[[], str]
    rng_of: Callable[[Assignment], "np.random.Generator"]
    on_wait: Callable[[timedelta, str], None]
    on_work: Callable[[], None]
    moment: Callable[[], Moment]
    limits: Limits = NO_LIMITS
    measure: bool = False
    _weights: tuple[TensorSpec, ...] = field(default=(), init=False)
    _fetched: set[str] = field(default_factory=set, init=False)
    _chunk_bytes: int = field(default=DEFAULT_CHUNK_BYTES, init=False)

    def drive(self, session: Session) -> Participation:
        """Carry out the session's actions to its end.

        Raises:
            Stopped: the stop event was set while there was nothing to give up.
            Postponed: the network is not one to use now.
            Resting: training was interrupted, and is kept for the next run.
        """
        try:
            action = next(session)
            while True:
                try:
                    result = self._carry_out(action)
                except TransportError as error:
                    _LOG.info("%s", error)
                    action = session.throw(error)
                else:
                    action = session.send(result)
        except StopIteration as end:
            participation: Participation = end.value
            return participation
        finally:
            session.close()

    def weights_of(self, _assignment: Assignment) -> tuple[TensorSpec, ...]:
        """Specs of the weights of the plan that was just worked with."""
        return self._weights

    def _carry_out(self, action: Action) -> Any:
        result: Any = None
        match action:
            case CheckIn(request):
                result = self._check_in(request)
            case FetchArtifact():
                self._fetch(action)
            case Work(assignment, deadline):
                self.on_work()
                result = self._work(assignment, deadline)
            case Send(report):
                if report.payload:
                    self._check_network()
                result = self._report(ReportStream(report, chunk_bytes=self._chunk_bytes))
            case AskReceipt(report):
                result = self._report(ReportStream(report, receipt_only=True))
            case Keep() | KeepControl() | Forget():
                self._write(action)
            case Wait(duration, reason):
                _LOG.debug("waiting %.1f s: %s", duration.total_seconds(), reason)
                self.on_wait(duration, reason)
                if self.stop.wait(duration.total_seconds()):
                    raise Stopped
        return result

    def _check_in(self, request: aggregator_pb2.CheckInRequest) -> aggregator_pb2.CheckInResponse:
        self._check_stop()
        try:
            return self.transport.check_in(request, self.stop)
        except TransportError:
            self._check_stop()
            raise

    def _report(self, stream: ReportStream) -> aggregator_pb2.Receipt:
        # A withdrawal is often due to the stop, and goes out all the same: it is short, and frees a place. What is kept
        # can wait for the next run.
        stop = None if self.folder.outbox.is_empty else self.stop
        if stop is not None:
            self._check_stop()
        try:
            return self.transport.report(stream, stop)
        except TransportError:
            if stop is not None:
                self._check_stop()
            # A slow link: the aggregator waits 30 s for each message.
            self._chunk_bytes = SMALL_CHUNK_BYTES
            raise

    def _write(self, action: Keep | KeepControl | Forget) -> None:
        match action:
            case Keep(report):
                self.folder.outbox.keep(report)
                self.folder.resting.forget()
            case KeepControl(task_id, round_number, delta):
                self.folder.controls.advance(task_id, round_number, delta)
            case Forget():
                self.folder.outbox.forget()

    def _fetch(self, action: FetchArtifact) -> None:
        def open_stream(offset: int) -> Iterator[aggregator_pb2.ArtifactChunk]:
            request = aggregator_pb2.FetchArtifactRequest(
                sha256=action.artifact.sha256, offset=offset, ticket=action.ticket
            )
            try:
                for chunk in self.transport.fetch(request, self.stop):
                    self._check_stop()
                    self._check_network()
                    yield chunk
            except TransportError:
                self._check_stop()
                raise

        self.folder.cache.fetch(action.artifact, open_stream, in_use=self.folder.in_use | self._fetched)
        self._fetched.add(action.artifact.hex)

    def _work(self, assignment: Assignment, deadline: datetime) -> WorkResult:
        plan, checkpoint = (self.folder.cache.path(one) for one in (assignment.plan, assignment.checkpoint))
        control = None if assignment.control is None else self.folder.cache.path(assignment.control)
        if plan is None or checkpoint is None or (assignment.control is not None and control is None):
            return WorkResult(aggregator_pb2.OUTCOME_FAILED, detail="the cache is too small for plan and checkpoint")
        result = do_work(
            Job(assignment, plan, checkpoint, control),
            self.trainer,
            self.source,
            rng=self.rng_of(assignment),
            interrupt=_Interrupts(self.stop, self.unmet, self.now, deadline),
            on_loaded=lambda manifest: self._loaded(assignment, manifest.weight_specs),
            own_control=lambda size: self.folder.controls.begin(assignment.task_id, assignment.plan.sha256, size),
            limits=self.limits,
            measure=self.measure,
            rest=Rest(self.folder.resting, self.moment, lambda: deadline - self.now()),
            clock=lambda: self.now().timestamp(),
        )
        if result.outcome != aggregator_pb2.OUTCOME_DONE:
            self.folder.resting.forget()
        return result

    def _loaded(self, assignment: Assignment, weights: tuple[TensorSpec, ...]) -> None:
        """Plan and checkpoint fit: from now on they are what the device predicts with."""
        self._weights = weights
        self.folder.current = Current(
            assignment.plan.hex, assignment.checkpoint.hex, assignment.checkpoint_version, assignment.task_id
        )

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _check_network(self) -> None:
        if reason := self.offline():
            raise Postponed(reason)


@dataclass(slots=True)
class _Interrupts:
    """Why work must end: the stop event, the deadline, a condition; asked before every step."""

    stop: threading.Event
    unmet: Callable[[], str]
    now: Callable[[], datetime]
    deadline: datetime

    def __call__(self) -> str:
        if self.stop.is_set():
            return "the app stopped the device"
        if self.now() >= self.deadline:
            return "the time to report is over"
        return self.unmet()
