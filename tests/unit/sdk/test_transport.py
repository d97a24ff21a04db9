"""Errors in words, and the wrapper that nothing passes unrecorded."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.core.encodings import FLOAT16, encode_update
from fieldfare.core.errors import ConfigError, LimitError, PeerError, StateError, TransportError
from fieldfare.core.sessions import KeptReport
from fieldfare.core.weights import TensorSpec, specs_to_proto
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import GrpcTransport
from fieldfare.sdk.ledger import Ledger
from fieldfare.sdk.transport import LedgeredTransport, ReportStream
from fieldfare.sdk.transport._errors import transport_error


def test_an_absent_ca_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tls_ca"):
        GrpcTransport("aggregator.example.org:443", tls_ca=tmp_path / "absent.pem")


class Failure(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str, pushback: str = "") -> None:
        self._code, self._details, self._pushback = code, details, pushback

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("fieldfare-time-micros", "17"), ("grpc-retry-pushback-ms", self._pushback))


RETRYABLE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED", "INTERNAL", "UNKNOWN"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_becomes_words(code: grpc.StatusCode) -> None:
    error = transport_error(Failure(code, "some detail"), "h:1")
    assert error.retryable is (code.name in RETRYABLE)
    assert "h:1" in str(error)


@pytest.mark.parametrize(
    ("pushback", "seconds"),
    [("1500", 1.5), ("0", 0.0), ("9" * 30, 10**17), ("", None), ("-1", None), ("soon", None), ("\u0663", None)],
)
def test_when_to_come_back_is_read_where_it_is_a_number(pushback: str, seconds: float | None) -> None:
    error = transport_error(Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "too often", pushback), "h:1")
    assert error.retryable
    assert (error.retry_after_s if isinstance(error, LimitError) else None) == seconds


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("UNAVAILABLE: ipv4:127.0.0.1:8470: Socket closed", r"closed the connection\): .* ask for TLS \(--tls-ca\)"),
        ("failed to connect: Connection refused (111)", r"\(connection refused\): is `fieldfare serve` running there"),
        ("Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SYSCALL", "TLS handshake failed"),
        ("DNS resolution failed for h:1", "name is not known"),
        ("", "unavailable"),
    ],
)
def test_why_it_cannot_be_reached(details: str, words: str) -> None:
    with pytest.raises(TransportError, match=words):
        raise transport_error(Failure(grpc.StatusCode.UNAVAILABLE, details), "h:1")


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "renew it there"),
        ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid", "set the clock"),
        ("UNAUTHENTICATED: Hostname Verification Check failed.", "is for another name"),
        ("CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate", "not signed by an authority"),
        ("SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "does not speak TLS"),
        ("Trying to connect an http1.x server (HTTP status 400)", "web server"),
    ],
)
def test_a_peer_that_is_not_the_aggregator(details: str, words: str) -> None:
    error = transport_error(Failure(grpc.StatusCode.UNAVAILABLE, details), "h:1")
    assert isinstance(error, PeerError)
    assert words in str(error)
    assert not error.retryable


SPECS = (TensorSpec("w", "float32", (3,)),)
VECTOR = np.float32([3.0, 4.0, 12.0])
NOW = datetime(2026, 5, 6, tzinfo=UTC)


def report(**changes) -> KeptReport:
    payload = encode_update(FLOAT16, VECTOR)
    fields = {
        "ticket": b"ticket",
        "device_id": b"d" * 16,
        "outcome": aggregator_pb2.OUTCOME_DONE,
        "tensors": specs_to_proto(SPECS),
        "encoding": FLOAT16,
        "payload_bytes": len(payload),
    }
    return KeptReport(aggregator_pb2.ReportHeader(**(fields | changes)), payload, "task", 4, NOW)


class Recorder:
    """Notes how many rows the ledger had when each message came."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.rows_before, self.bytes, self.closed = ledger, [], 0, False

    def check_in(
        self, request: aggregator_pb2.CheckInRequest, stop: threading.Event | None = None
    ) -> aggregator_pb2.CheckInResponse:
        self._saw([request])
        given = aggregator_pb2.Assignment(ticket=b"ticket", task_id="task", round_number=4)
        return aggregator_pb2.CheckInResponse(assignment=given)

    def fetch(self, request: aggregator_pb2.FetchArtifactRequest, stop: threading.Event | None = None):
        self._saw([request])
        return iter([])

    def report(
        self, requests: Iterable[aggregator_pb2.ReportRequest], stop: threading.Event | None = None
    ) -> aggregator_pb2.Receipt:
        self._saw(list(requests))
        return aggregator_pb2.Receipt()

    def close(self) -> None:
        self.closed = True

    def _saw(self, messages) -> None:
        self.rows_before.append(len(self.ledger))
        self.bytes += sum(message.ByteSize() for message in messages)


def test_everything_is_recorded_before_it_is_sent(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        inner = Recorder(ledger)
        transport = LedgeredTransport(inner, ledger, lambda: NOW)
        transport.check_in(aggregator_pb2.CheckInRequest(population="p", device_id=b"d" * 16))
        transport.fetch(aggregator_pb2.FetchArtifactRequest(sha256=bytes(32), offset=5, ticket=b"ticket"))
        transport.report(ReportStream(report(), chunk_bytes=4))
        transport.report(iter(list(ReportStream(report()))))
        transport.report(ReportStream(report(), receipt_only=True))
        transport.report(ReportStream(report(outcome=aggregator_pb2.OUTCOME_FAILED)))
        transport.report(ReportStream(report(payload_bytes=0)))
        transport.report(ReportStream(report(encoding=None, ticket=b"other")))
        rows = list(ledger)
        assert [row.kind.value for row in rows] == [
            *("check_in", "fetch", "update", "update", "receipt", "withdrawal", "metrics", "update")
        ]
        assert inner.rows_before == list(range(1, 9))
        assert ledger.total_bytes() == inner.bytes
        assert [(row.task, row.round_number) for row in rows[:3]] == [("", 0), ("task", 4), ("task", 4)]
        assert rows[2].update_norm == 13.0
        assert rows[2].encoding == "float16"
        assert rows[2].time == NOW
        assert rows[0].update_norm is None
        assert (rows[7].encoding, rows[7].update_norm, rows[7].task) == ("unknown", None, "")
        transport.close()
        assert inner.closed


def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l.db")
    sent: list[object] = []

    class Counter(Recorder):
        def _saw(self, messages) -> None:
            sent.extend(messages)

    transport = LedgeredTransport(Counter(ledger), ledger, lambda: NOW)
    ledger.close()
    for call in (
        lambda: transport.check_in(aggregator_pb2.CheckInRequest()),
        lambda: transport.fetch(aggregator_pb2.FetchArtifactRequest()),
        lambda: transport.report(ReportStream(report())),
    ):
        with pytest.raises(StateError):
            call()
    assert sent == []


def test_a_report_in_chunks() -> None:
    messages = list(ReportStream(report(), chunk_bytes=4))
    assert [message.WhichOneof("part") for message in messages] == ["header", "data", "data", "trailer"]
    assert b"".join(message.data for message in messages) == report().payload
    question = list(ReportStream(report(), receipt_only=True))
    assert [message.header for message in question] == [
        aggregator_pb2.ReportHeader(ticket=b"ticket", device_id=b"d" * 16, receipt_only=True)
    ]


@pytest.mark.parametrize("payload_bytes", [0, 1, 127, 128, 129, 1000])
@pytest.mark.parametrize("receipt_only", [False, True])
def test_the_size_of_a_stream_is_that_of_its_messages(payload_bytes: int, receipt_only: bool) -> None:
    kept = replace(report(), payload=bytes(payload_bytes))
    stream = ReportStream(kept, receipt_only=receipt_only, chunk_bytes=128)
    assert stream.size_bytes() == sum(message.ByteSize() for message in stream)
    assert list(stream.encoded()) == [message.SerializeToString() for message in stream]
