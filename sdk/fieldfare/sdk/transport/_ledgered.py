"""The wrapper through which every message passes on its way out."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fieldfare.core.aggregation import euclidean_norm
from fieldfare.core.encodings import count_vectors, decode_update, stage_names
from fieldfare.core.errors import UpdateError, WeightsError
from fieldfare.core.weights import specs_from_proto, total_size
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.ledger import NOT_PROTECTED, Ledger, LedgerKind
from fieldfare.sdk.transport._messages import ReportStream
from fieldfare.sdk.transport._protocol import Transport

_REMEMBERED = 16


class LedgeredTransport:
    """A `Transport` that writes each message into the ledger before it hands it on.

    A device holds this one only: what the ledger cannot record does not leave.

    Args:
        inner: carries the messages.
        ledger: where they are recorded.
        now: the present, timezone-aware.
    """

    def __init__(self, inner: Transport, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self.__inner = inner
        self._ledger = ledger
        self._now = now
        self._rounds: dict[bytes, tuple[str, int]] = {}

    def remember(self, ticket: bytes, task: str, round_number: int) -> None:
        """Which task and round a ticket stands for; learnt by itself from the answer to a check-in."""
        self._rounds.pop(ticket, None)
        self._rounds[ticket] = (task, round_number)
        while len(self._rounds) > _REMEMBERED:
            del self._rounds[next(iter(self._rounds))]

    def check_in(
        self, request: aggregator_pb2.CheckInRequest, stop: threading.Event | None = None
    ) -> aggregator_pb2.CheckInResponse:
        """Record and send."""
        self._record(LedgerKind.CHECK_IN, request.ByteSize(), b"")
        response = self.__inner.check_in(request, stop)
        if response.HasField("assignment"):
            given = response.assignment
            self.remember(given.ticket, given.task_id, given.round_number)
        return response

    def fetch(
        self, request: aggregator_pb2.FetchArtifactRequest, stop: threading.Event | None = None
    ) -> Iterator[aggregator_pb2.ArtifactChunk]:
        """Record and send."""
        self._record(LedgerKind.FETCH, request.ByteSize(), request.ticket)
        return self.__inner.fetch(request, stop)

    def report(
        self, requests: Iterable[aggregator_pb2.ReportRequest], stop: threading.Event | None = None
    ) -> aggregator_pb2.Receipt:
        """Record and send. The size recorded is that of the whole stream, even if the aggregator stops reading it."""
        # A ReportStream is made anew for sending; any other iterable can be read once only, so it is kept whole.
        messages = requests if isinstance(requests, ReportStream) else list(requests)
        summary = _summary(messages)
        ticket = summary.header.ticket
        self._record(_kind(summary.header), summary.size_bytes, ticket, summary.norm, summary.encoding)
        return self.__inner.report(messages, stop)

    def enroll(self, request: aggregator_pb2.EnrollRequest) -> aggregator_pb2.AccessToken:
        """Record and send."""
        self._record(LedgerKind.ENROLL, request.ByteSize(), b"")
        return self.__inner.enroll(request)

    def refresh_token(self, request: aggregator_pb2.RefreshTokenRequest) -> aggregator_pb2.AccessToken:
        """Record and send."""
        self._record(LedgerKind.TOKEN, request.ByteSize(), b"")
        return self.__inner.refresh_token(request)

    def authorize(self, token: str) -> None:
        """Send this access token with every call. It came from the aggregator, so it is no message of the device's."""
        self.__inner.authorize(token)

    def close(self) -> None:
        """Close the transport; the ledger stays open."""
        self.__inner.close()

    def _record(
        self, kind: LedgerKind, size_bytes: int, ticket: bytes, norm: float | None = None, encoding: str = ""
    ) -> None:
        task, round_number = self._rounds.get(ticket, ("", 0))
        self._ledger.record(
            kind,
            size_bytes,
            time=self._now(),
            task=task,
            round_number=round_number,
            update_norm=norm,
            encoding=encoding,
            # A mechanism that hides values will be a stage of the encoding: the stages there are hide nothing.
            privacy=NOT_PROTECTED if kind.is_computed else "",
        )


@dataclass(frozen=True, slots=True)
class _Summary:
    header: aggregator_pb2.ReportHeader
    size_bytes: int
    norm: float | None
    encoding: str


def _kind(header: aggregator_pb2.ReportHeader) -> LedgerKind:
    if header.receipt_only:
        return LedgerKind.RECEIPT
    if header.outcome != aggregator_pb2.OUTCOME_DONE:
        return LedgerKind.WITHDRAWAL
    return LedgerKind.UPDATE if header.payload_bytes else LedgerKind.METRICS


def _summary(messages: ReportStream | list[aggregator_pb2.ReportRequest]) -> _Summary:
    if isinstance(messages, ReportStream):
        # Without making the messages: they would copy the payload.
        payload = b"" if messages.receipt_only else messages.report.payload
        return _summary_of(next(iter(messages)).header, payload, messages.size_bytes())
    headers = [message.header for message in messages if message.HasField("header")]
    payload = b"".join(message.data for message in messages)
    size_bytes = sum(message.ByteSize() for message in messages)
    return _summary_of(headers[-1] if headers else aggregator_pb2.ReportHeader(), payload, size_bytes)


def _summary_of(header: aggregator_pb2.ReportHeader, payload: bytes, size_bytes: int) -> _Summary:
    if not payload:
        return _Summary(header, size_bytes, None, "")
    try:
        size = total_size(specs_from_proto(header.tensors))
        parts = count_vectors(header.encoding, len(payload), size)
        vector = decode_update(header.encoding, payload, size, max_abs_value=math.inf, parts=parts)
        return _Summary(header, size_bytes, euclidean_norm(vector), "+".join(stage_names(header.encoding)))
    except (UpdateError, WeightsError):
        # Safe: a payload that cannot be decoded is counted all the same; the aggregator will refuse it.
        return _Summary(header, size_bytes, None, "unknown")
