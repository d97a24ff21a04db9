"""The aggregator's engine as devices reach it over gRPC."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fieldfare.aggregator.engine import Event
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import ProtocolError
from fieldfare.core.rounds import Ticket
from fieldfare.core.sessions import Ended
from fieldfare.emulator.simulation import EmulatedAggregator, EmulatedClock, Flight, artifacts_folder
from fieldfare.emulator.wire._device_calls import DeviceCalls
from fieldfare.emulator.wire._server import LoopbackServer
from fieldfare.emulator.workers import Done
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.transport import GrpcTransport

_FETCHED = "fetched"
# Bounds that stand in emulated time, or that one connection for all devices would meet: a device of the emulation may
# have a day behind it in a moment.
_ANY_RATE = 1e9
_ANY_BURST = 10**9
_LONGEST_CONNECTION = timedelta(days=20)
_LONGEST_CALL = timedelta(minutes=10)
_SETTLED = {
    aggregator_pb2.RECEIPT_STATUS_ACCEPTED: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_DUPLICATE: Ended.COUNTED,
    aggregator_pb2.RECEIPT_STATUS_LATE: Ended.LATE,
    aggregator_pb2.RECEIPT_STATUS_INVALID: Ended.REFUSED,
}
_PENDING = aggregator_pb2.RECEIPT_STATUS_PENDING


class WireAggregator(EmulatedAggregator):
    """What `EmulatedAggregator` is, with every call of a device made over a socket of this machine.

    Check-ins, downloads, reports, withdrawals and questions after receipts go through the SDK's transport to the
    service of `fieldfare serve`, one after the other. When they are made is up to emulated time, as in memory; so are
    their answers.

    Args:
        folder: its state; what is fetched lies beside it.
        clock: emulated time.
        settings: bounds.
    """

    def __init__(self, folder: Path, clock: EmulatedClock, settings: ServerSettings | None = None) -> None:
        super().__init__(folder, clock, _lifted(settings or ServerSettings()))
        self._now = clock
        self._fetched = self.artifacts_in(folder)
        self._pending: dict[Ticket, aggregator_pb2.ReportHeader] = {}
        self._settled: dict[Ticket, Ended] = {}
        self._server = LoopbackServer(self._engine, self._database, self._settings, clock)
        try:
            self._transport = GrpcTransport(self._server.start(), timeout=_LONGEST_CALL, stall_timeout=_LONGEST_CALL)
        except BaseException:
            super().close()
            raise
        self._calls = DeviceCalls(self._transport, self._fetched)

    @staticmethod
    def artifacts_in(folder: Path) -> Path:
        """Where the plans and checkpoints will lie that come over the wire."""
        return folder.parent / _FETCHED

    def carry(self, tickets: Iterable[Ticket]) -> None:
        """See `EmulatedAggregator.carry`; what these devices have fetched may have come to them in memory."""
        at_work = list(tickets)
        super().carry(at_work)
        if at_work:
            self._calls.adopt(artifacts_folder(self._state.root))

    def close(self) -> None:
        """End the service, then close the storage."""
        self._transport.close()
        self._server.close()
        super().close()

    def work(self) -> list[Event]:
        """See `EmulatedAggregator.work`; where a round has ended, its devices ask for their receipts."""
        events = super().work()
        if events:
            self._ask_for_receipts()
        return events

    # What devices call.

    def check_in(self, population: str, device_id: bytes, memory_bytes: int) -> aggregator_pb2.CheckInResponse:
        """Offer a device."""
        return self._calls.check_in(self._request(population, device_id, memory_bytes))

    def download(self, flight: Flight) -> None:
        """The device fetches what its assignment needs; the aggregator counts the bytes as they go out."""
        for artifact in flight.artifacts:
            self._calls.fetch(artifact, flight.assignment.ticket)

    def report(self, ticket: Ticket, header: aggregator_pb2.ReportHeader, done: Done) -> tuple[Ended, str]:
        """See `EmulatedAggregator.report`."""
        receipt = self._calls.report(header, bytes(done.payload), self._now())
        if receipt.status == _PENDING:
            self._pending[ticket] = header
            return Ended.COUNTED, ""
        ended = _meaning(receipt)
        if header.outcome != aggregator_pb2.OUTCOME_DONE and ended is Ended.COUNTED:
            return Ended.WITHDRAWN, done.detail
        return ended, receipt.detail if ended is Ended.REFUSED else ""

    def late(self, flight: Flight) -> None:
        """A report comes that is not wanted any more: its header goes out, and is answered before any payload."""
        self._calls.report(_header(flight, aggregator_pb2.OUTCOME_DONE), b"", self._now())

    def leave(self, flight: Flight) -> None:
        """The device gives up, since its conditions do not hold any more, and says so."""
        self._calls.report(_header(flight, aggregator_pb2.OUTCOME_CONDITIONS), b"", self._now())

    def is_counted(self, ticket: Ticket) -> bool:
        """Whether the receipt said, after the round, that the report counts."""
        return self._settled.get(ticket) is Ended.COUNTED

    def _ask_for_receipts(self) -> None:
        self._settled.clear()
        pending, self._pending = self._pending, {}
        for ticket, header in pending.items():
            receipt = self._calls.ask(header, self._now())
            if receipt.status == _PENDING:
                self._pending[ticket] = header
            else:
                self._settled[ticket] = _meaning(receipt)


def _lifted(settings: ServerSettings) -> ServerSettings:
    security = replace(settings.security, device_calls_per_s=_ANY_RATE, device_burst=_ANY_BURST)
    limits = replace(settings.limits, max_connection_age=_LONGEST_CONNECTION)
    return replace(settings, security=security, limits=limits)


def _header(flight: Flight, outcome: aggregator_pb2.Outcome) -> aggregator_pb2.ReportHeader:
    return aggregator_pb2.ReportHeader(
        ticket=flight.assignment.ticket, device_id=flight.ticket.device_id, outcome=outcome
    )


def _meaning(receipt: aggregator_pb2.Receipt) -> Ended:
    if receipt.status not in _SETTLED:
        status = aggregator_pb2.ReceiptStatus.Name(receipt.status)
        raise ProtocolError(f"an emulated device got the receipt {status}: {receipt.detail}")
    return _SETTLED[receipt.status]
