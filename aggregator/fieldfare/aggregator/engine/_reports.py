"""Reports: from ticket to sum. What is asked of memory here never waits for storage."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fieldfare.aggregator.engine._accumulator import Contribution
from fieldfare.aggregator.engine._answers import Standing
from fieldfare.aggregator.engine._open_round import OpenRound
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.engine._tasks import Tasks
from fieldfare.aggregator.engine._telemetry import Telemetry
from fieldfare.aggregator.storage import Database
from fieldfare.core.aggregation import check_header, read_update, update_weight
from fieldfare.core.errors import ProtocolError, TransportError, UpdateError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.rounds import Ticket, open_ticket
from fieldfare.core.tasks import NextRound
from fieldfare.protos.v1 import aggregator_pb2

_log = logging.getLogger("fieldfare.aggregator")


@dataclass(frozen=True, slots=True)
class Admission:
    """A report whose header was found good: its payload may be read."""

    run: TaskRun
    round: OpenRound
    ticket: Ticket
    header: aggregator_pb2.ReportHeader
    metrics: Mapping[str, MetricSum]


class Reports:
    """Checks what devices report and adds it to the open rounds.

    Args:
        tasks: the active ones.
        database: knows the reports of rounds that are over.
        key: seals tickets; 32 bytes.
        clock: the present, timezone-aware.
        telemetry: measures how long reports take.
    """

    def __init__(
        self, tasks: Tasks, database: Database, key: bytes, clock: Callable[[], datetime], telemetry: Telemetry
    ) -> None:
        self._tasks = tasks
        self._database = database
        self._key = key
        self._clock = clock
        self._telemetry = telemetry

    def read_ticket(self, header: aggregator_pb2.ReportHeader) -> Ticket:
        """The ticket of a report.

        Raises:
            UpdateError: a ticket that is not ours, or another device's.
        """
        try:
            ticket = open_ticket(self._key, header.ticket)
        except ProtocolError as error:
            raise UpdateError("ticket", str(error)) from error
        if ticket.device_id != header.device_id:
            raise UpdateError("device", "the ticket is another device's: check in again")
        return ticket

    def standing(self, ticket: Ticket) -> Standing:
        """What memory knows of a report; UNSURE where storage must be asked."""
        run = self._tasks.find(ticket.task_id.hex())
        return Standing.UNSURE if run is None else run.standing(ticket)

    def standing_on_disk(self, ticket: Ticket) -> Standing:
        """What storage knows of a report whose round is over, or is held by other replicas too.

        Raises:
            StorageError: it cannot be read.
        """
        run = self._tasks.find(ticket.task_id.hex())
        # Asked first: a round that closes meanwhile makes the device send again, and learn the truth then.
        still_open = run is not None and run.is_open(ticket)
        counted = self._database.is_counted(ticket.task_id.hex(), ticket.round_number, ticket.device_id)
        if counted:
            return Standing.COUNTED
        if run is None:
            # A task that another replica took in a moment ago is not over: the report is wanted, a little later.
            record = self._database.task(ticket.task_id.hex())
            return Standing.GONE if record is None or record.state.ended else Standing.ABSENT
        # Safe: in this order too, a round that closes meanwhile is not taken for one without the report.
        standing = run.standing_uncounted(ticket)
        return Standing.ABSENT if standing is Standing.GONE and still_open else standing

    def expired(self, ticket: Ticket) -> bool:
        """Whether the device's time is over."""
        return ticket.report_by <= self._clock()

    def count_stray(self, ticket: Ticket, *, late: bool) -> None:
        """A report was answered with LATE, or with DUPLICATE. Those of tasks that have ended are not counted."""
        run = self._tasks.find(ticket.task_id.hex())
        if run is not None:
            run.count_stray(ticket.round_number, late=late)

    def withdraw(self, ticket: Ticket) -> None:
        """The device gave up by itself."""
        run = self._tasks.find(ticket.task_id.hex())
        if run is None:
            return
        try:
            current = run.enter(ticket)
        except UpdateError:
            # Safe: it is out already; the same message again changes nothing.
            return
        if current is not None:
            run.withdraw(current, ticket.device_id)

    def carry(self, tickets: Iterable[Ticket]) -> None:
        """Devices are at work with these tickets, though this process has not handed them out, or has forgotten it.

        Only a buffer has to know: it bounds how many are at work. A round learns of each from its report.
        """
        for ticket in tickets:
            run = self._tasks.find(ticket.task_id.hex())
            if run is not None:
                run.carry(ticket)

    def admit(self, ticket: Ticket, header: aggregator_pb2.ReportHeader) -> Admission | None:
        """Check the header of a report that ends with DONE; None when its round or its time is over.

        Raises:
            UpdateError: the report is refused.
        """
        run = self._tasks.find(ticket.task_id.hex())
        current = None if run is None or self.expired(ticket) else run.enter(ticket)
        if run is None or current is None:
            return None
        try:
            _check_outcome(header)
            metrics = check_header(header, current.rules)
        except UpdateError as error:
            self._refuse(run, current, ticket, error)
            raise
        return Admission(run, current, ticket, header, metrics)

    def add(self, admission: Admission, payload: bytes | bytearray | memoryview, digest: bytes | None) -> bool:
        """Check a payload and add it to its round.

        Args:
            admission: what `admit` gave.
            payload: all bytes of the update; empty for an evaluation.
            digest: SHA-256 of them, as the device sent it; None where they came through no wire.

        Returns:
            Whether it was added; False when the round or the time is over meanwhile, or another copy was faster.

        Raises:
            UpdateError: the report is refused.
            TransportError: it came damaged, and may be sent again: a copy on a bad link is not the device's fault.
        """
        with self._telemetry.operation("ingest", admission.run.task_id, admission.ticket.round_number):
            return self._add(admission, payload, digest)

    def _add(self, admission: Admission, payload: bytes | bytearray | memoryview, digest: bytes | None) -> bool:
        ticket, header, run = admission.ticket, admission.header, admission.run
        spec = run.spec
        training = admission.round.record.kind is NextRound.TRAINING
        vector = None
        try:
            if digest is not None:
                self._check_digest(admission, payload, digest)
            if training:
                vector = read_update(header.encoding, payload, admission.round.rules)
        except UpdateError as error:
            self._refuse(run, admission.round, ticket, error)
            raise
        contribution = Contribution(
            device=ticket.device_id,
            metrics=admission.metrics,
            examples=header.example_count,
            payload_bytes=len(payload),
            vector=vector,
            weight=update_weight(spec, header.example_count) if training else 0,
        )
        current: OpenRound | None = admission.round
        while current is not None and not self.expired(ticket):
            if self._add_to(run, current, ticket, contribution):
                return True
            # Where rounds follow one another without a pause, the report may belong to the next one by now.
            before, current = current, run.enter(ticket) if run.versions.counts_later(ticket) else None
            current = None if current is before else current
        return False

    def _add_to(self, run: TaskRun, current: OpenRound, ticket: Ticket, contribution: Contribution) -> bool:
        if ticket.round_number != current.number and self._database.is_counted(
            ticket.task_id.hex(), ticket.round_number, ticket.device_id
        ):
            # Safe: all earlier rounds were over before `current` began, so what they have counted is on disk.
            return False
        factor = run.versions.factor(ticket.round_number, current.record.checkpoint_version)
        if factor != 1:
            contribution = replace(contribution, weight=contribution.weight * factor)
        return run.add(current, contribution, ticket.round_number)

    def _check_digest(self, admission: Admission, payload: bytes | bytearray | memoryview, digest: bytes) -> None:
        if hashlib.sha256(payload).digest() == digest:
            return
        run, device = admission.run, admission.ticket.device_id
        if len(digest) == hashlib.sha256().digest_size and run.may_send_again(admission.round, device):
            _log.info("task=%s round=%d came damaged", run.task_id, admission.ticket.round_number)
            raise TransportError("the payload does not match its digest: send it again")
        raise UpdateError("digest", "the payload does not match its digest")

    def refuse(self, admission: Admission, error: UpdateError) -> None:
        """The payload of an admitted report could not be read as announced."""
        self._refuse(admission.run, admission.round, admission.ticket, error)

    def _refuse(self, run: TaskRun, current: OpenRound, ticket: Ticket, error: UpdateError) -> None:
        _log.info("task=%s round=%d refused (%s): %s", run.task_id, ticket.round_number, error.reason, error)
        run.refuse(current, ticket.device_id, error.reason)


def _check_outcome(header: aggregator_pb2.ReportHeader) -> None:
    if header.outcome != aggregator_pb2.OUTCOME_DONE:
        raise UpdateError("outcome", "the report's outcome is not one that this version knows")
