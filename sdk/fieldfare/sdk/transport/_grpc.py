"""`GrpcTransport`: the device's calls over gRPC."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fieldfare.core.addresses import Address, parse_address
from fieldfare.core.client_tls import ClientTls, read_client_tls
from fieldfare.core.errors import TransportError
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.transport._errors import transport_error
from fieldfare.sdk.transport._messages import ReportStream
from fieldfare.sdk.transport._progress import LOOK_EVERY_S, STOPPED, Progress, watched

_REPORT = "/fieldfare.protos.v1.Aggregator/Report"
_FETCH = "/fieldfare.protos.v1.Aggregator/FetchArtifact"
_MAX_MESSAGE_BYTES = 4 * 2**20
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # A connection that a router has forgotten is noticed after 80 s. Our aggregator allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # The session does the retries; the channel only has to be willing to connect anew.
    ("grpc.enable_retries", 0),
    # So that a new channel is a new connection.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
)


# A proxy that an environment variable names would see what a plain connection to this machine carries.
_LOOPBACK_OPTIONS = (("grpc.enable_http_proxy", 0),)


class GrpcTransport:
    """The aggregator's calls over one gRPC channel; connects at the first call.

    A plain connection is made to this machine only (localhost, 127.0.0.0/8, ::1). Any other address gets TLS.

    Args:
        address: "host:port" or "[IPv6]:port".
        tls_ca: PEM file of the authorities to trust; without it the system's. With it, loopback gets TLS too.
        tls_cert: PEM file with the device's own certificate chain, where the aggregator asks for one.
        tls_key: PEM file with its private key.
        timeout: bound on a check-in, beside the time for which it may be held open, and on a report without payload.
        stall_timeout: a download ends once not even 64 KiB have come for so long. Its pieces have 256 KiB.
        slowest_bytes_per_s: an upload may take `stall_timeout`, and as long as its payload takes at this rate.
        transfer_timeout: bound on a transfer, however well it moves.

    Raises:
        ConfigError: an address that cannot be read, an absent file, a certificate without its key.
    """

    def __init__(
        self,
        address: str,
        *,
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        timeout: timedelta = timedelta(seconds=30),
        stall_timeout: timedelta = timedelta(minutes=2),
        slowest_bytes_per_s: float = 4096.0,
        transfer_timeout: timedelta = timedelta(days=1),
    ) -> None:
        self._parsed = parse_address(address, field="aggregator")
        self._address = str(self._parsed)
        self._timeout_s = timeout.total_seconds()
        self._stall_s, self._slowest = stall_timeout.total_seconds(), slowest_bytes_per_s
        self._transfer_timeout_s = transfer_timeout.total_seconds()
        self._tls = read_client_tls(tls_ca, tls_cert, tls_key)
        self._metadata: tuple[tuple[str, str], ...] = ()
        self._lock = threading.Lock()
        self._closed = False
        self._connect()

    def _connect(self) -> None:
        from fieldfare.protos.v1 import aggregator_pb2_grpc

        self._channel = _channel(self._parsed, self._tls)
        self._stub: Any = aggregator_pb2_grpc.AggregatorStub(self._channel)
        # Not the stub's: a payload that is bytes already would be copied three times to become a message.
        self._report: Any = self._channel.stream_unary(
            _REPORT, request_serializer=_serialized, response_deserializer=aggregator_pb2.Receipt.FromString
        )
        # Nor here: a message that is asked for its size is serialised anew.
        self._fetch: Any = self._channel.unary_stream(
            _FETCH,
            request_serializer=aggregator_pb2.FetchArtifactRequest.SerializeToString,
            response_deserializer=_sized,
        )

    def _reconnect(self) -> None:
        """The next call has a connection of its own: the one there is may be half open, and would swallow that too."""
        with self._lock:
            if not self._closed:
                self._channel.close()
                self._connect()

    def authorize(self, token: str) -> None:
        """Send this access token with every call from now on, but with the two that give one."""
        self._metadata = (("authorization", f"Bearer {token}"),)

    def enroll(self, request: aggregator_pb2.EnrollRequest) -> aggregator_pb2.AccessToken:
        """A one-time key for an access token."""
        with self._errors():
            token: aggregator_pb2.AccessToken = self._stub.Enroll(request, timeout=self._timeout_s)
        return token

    def refresh_token(self, request: aggregator_pb2.RefreshTokenRequest) -> aggregator_pb2.AccessToken:
        """A signature for an access token."""
        with self._errors():
            token: aggregator_pb2.AccessToken = self._stub.RefreshToken(request, timeout=self._timeout_s)
        return token

    def check_in(
        self, request: aggregator_pb2.CheckInRequest, stop: threading.Event | None = None
    ) -> aggregator_pb2.CheckInResponse:
        """Offer the device; where the call may be held open, `stop` ends it within a fifth of a second."""
        limit_s = self._timeout_s + request.wait.ToTimedelta().total_seconds()
        with self._errors():
            call = self._stub.CheckIn.future(request, timeout=limit_s, metadata=self._metadata)
            response: aggregator_pb2.CheckInResponse = self._result(call, stop)
        return response

    def fetch(
        self, request: aggregator_pb2.FetchArtifactRequest, stop: threading.Event | None = None
    ) -> Iterator[aggregator_pb2.ArtifactChunk]:
        """Download from an offset on; closing the iterator ends the call, and so does `stop`."""
        import grpc

        progress = Progress(self._stall_s, time.monotonic())
        with self._errors():
            call = self._fetch(request, timeout=self._transfer_timeout_s, metadata=self._metadata)
            with watched(call, progress, stop, self._address) as reasons:
                try:
                    for nbytes, chunk in call:
                        progress.note(nbytes, time.monotonic())
                        yield chunk
                except grpc.RpcError as error:
                    if not reasons:
                        raise
                    self._reconnect()
                    raise reasons[0] from error
                finally:
                    call.cancel()

    def report(
        self, requests: Iterable[aggregator_pb2.ReportRequest], stop: threading.Event | None = None
    ) -> aggregator_pb2.Receipt:
        """Stream a report; an answer that comes before the end of the stream ends it, and so does `stop`."""
        messages: Iterator[bytes] = map(_serialized, requests)
        limit_s = self._transfer_timeout_s
        if isinstance(requests, ReportStream):
            messages, limit_s = requests.encoded(), self._upload_limit_s(requests.payload_bytes)
        with self._errors():
            call = self._report.future(messages, timeout=limit_s, metadata=self._metadata)
            receipt: aggregator_pb2.Receipt = self._result(call, stop)
        return receipt

    def close(self) -> None:
        """Close the channel; calls that are under way fail."""
        with self._lock:
            self._closed = True
            self._channel.close()

    def _upload_limit_s(self, nbytes: int) -> float:
        # By the clock: gRPC takes the whole of an update at once, up to 4 MiB, and does not tell when it has gone. That
        # the connection is dead is what the keepalive notices.
        if not nbytes:
            return self._timeout_s
        return min(self._stall_s + nbytes / self._slowest, self._transfer_timeout_s)

    def _result(self, call: Any, stop: threading.Event | None) -> Any:
        """What the call comes to, unless `stop` is set before.

        Raises:
            grpc.RpcError: the call failed.
            TransportError: `stop` was set.
        """
        import grpc

        while True:
            try:
                return call.result(timeout=None if stop is None else LOOK_EVERY_S)
            except grpc.FutureTimeoutError:
                if stop is not None and stop.is_set():
                    call.cancel()
                    self._reconnect()
                    raise TransportError(STOPPED, retryable=False) from None
            except grpc.FutureCancelledError as error:
                raise TransportError("the transport is closed", retryable=False) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import grpc

        if self._closed:
            raise TransportError("the transport is closed", retryable=False)
        try:
            yield
        except grpc.RpcError as error:
            if error.code().name == "DEADLINE_EXCEEDED":
                self._reconnect()
            raise transport_error(error, self._address) from error


def _sized(message: bytes) -> tuple[int, aggregator_pb2.ArtifactChunk]:
    return len(message), aggregator_pb2.ArtifactChunk.FromString(message)


def _serialized(message: bytes | aggregator_pb2.ReportRequest) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


def _channel(address: Address, tls: ClientTls) -> Any:
    import grpc

    # The "dns" scheme said aloud: a bare "host:port" could otherwise be read as the URI of another scheme.
    target = f"dns:///{address}"
    options = [*_OPTIONS, *(_LOOPBACK_OPTIONS if address.is_loopback else ())]
    if address.is_loopback and not tls.is_asked_for:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(tls.roots, tls.key, tls.chain), options=options)
