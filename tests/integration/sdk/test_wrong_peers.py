"""Who answers is not the aggregator: one sentence that says what to do, a long pause, and nothing was sent."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from fieldfare.core.errors import PeerError, ProtocolError, TransportError
from fieldfare.core.sessions import Ended, Participation
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import Device, ExampleStore, GrpcTransport
from fieldfare.sdk.device import DeviceFolder
from tests.integration.end_to_end.network.setting import HASTY
from tests.support.certificates import Authority, Pair
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest

REQUEST = aggregator_pb2.CheckInRequest(population="p", device_id=bytes(16))
DAY = timedelta(days=1)
HELLO = b"\x16\x03"
"""How a TLS handshake begins."""


@dataclass
class Listener:
    """Takes connections, over TLS where it has a certificate, and keeps what comes behind the handshake.

    Attributes:
        raw: what came on each connection before any decryption; only without TLS.
        inside: what came through TLS.
        connections: how many came.
    """

    pair: Pair | None = None
    answer: bytes = b""
    raw: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._context = None
        if self.pair is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(self.pair.cert, self.pair.key)
            self._context.set_alpn_protocols(["h2"])
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(2)
            with contextlib.suppress(OSError), connection:
                if self._context is None:
                    self.raw.append(connection.recv(1 << 16))
                    connection.sendall(self.answer)
                else:
                    self._shake_hands(self._context, connection)

    def _shake_hands(self, context: ssl.SSLContext, connection: socket.socket) -> None:
        self.inside.append(b"")
        with context.wrap_socket(connection, server_side=True) as inner:
            self.inside[-1] += inner.recv(1 << 16)


@contextlib.contextmanager
def listening(pair: Pair | None = None, answer: bytes = b"") -> Iterator[Listener]:
    listener = Listener(pair, answer)
    try:
        yield listener
    finally:
        listener.close()


@contextlib.contextmanager
def device(folder: Path, address: str, tls_ca: Path | None = None) -> Iterator[Device]:
    """Opened until the block ends, with a store of its own."""
    specs = tiny_manifest().example_specs
    transport = GrpcTransport(address, tls_ca=tls_ca, timeout=timedelta(seconds=10))
    path = folder / "examples.db"
    with ExampleStore.open(path) if path.exists() else ExampleStore.create(path, specs) as store:
        store.add({"x": np.float32([1]), "y": np.float32([2])})
        with Device(folder / "device", aggregator=transport, population="p", store=store, retry=HASTY) as one:
            yield one
        transport.close()


def once(folder: Path, address: str, tls_ca: Path | None = None) -> Participation:
    with device(folder, address, tls_ca) as one:
        return one.run_once()


Wrong = Callable[[Authority, Path], Pair]
WRONG: dict[str, tuple[Wrong, str]] = {
    "a stranger's": (lambda _, folder: Authority(folder, "stranger").issue("s"), "not signed by an authority that is"),
    "expired": (lambda ours, _: ours.issue("s", lasts=-DAY), "has expired: renew it there, or set the clock here"),
    "not valid yet": (lambda ours, _: ours.issue("s", begins=DAY / 2), "is not valid yet: set the clock"),
    "for another name": (lambda ours, _: ours.issue("s", host="fl.example.org"), "is for another name: use the name"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate(tmp_path: Path, kind: str) -> None:
    make, words = WRONG[kind]
    ours = Authority(tmp_path)
    with listening(make(ours, tmp_path)) as peer:
        ended = once(tmp_path, peer.address, ours.ca)
        assert ended.ended is Ended.UNREACHABLE
        assert words in ended.detail
        assert f"the connection to {peer.address} was given up" in ended.detail
        # One try, a long pause, also for the next process.
        assert peer.connections == 1
        assert once(tmp_path, peer.address, ours.ca).come_back_after > HASTY.after_peer_error / 4
        assert set(peer.inside) == {b""}


def test_that_would_see_what_is_sent_to_the_right_one(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    with listening(ours.issue("s")) as peer:
        assert once(tmp_path, peer.address, ours.ca).ended is Ended.UNREACHABLE
        assert peer.inside[0].startswith(b"PRI * HTTP/2.0")


@pytest.mark.parametrize("answer", [b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_without_tls(tmp_path: Path, answer: bytes) -> None:
    ours = Authority(tmp_path)
    with listening(answer=answer) as peer:
        ended = once(tmp_path, peer.address, ours.ca)
        assert ended.ended is Ended.UNREACHABLE
        assert "does not speak TLS: start it with a certificate, or correct the port" in ended.detail
        (hello,) = peer.raw
        assert hello.startswith(HELLO)
        # One record, all of it the handshake's.
        assert len(hello) == 5 + int.from_bytes(hello[3:5])
        assert DeviceFolder(tmp_path / "device").device_id() not in hello


def test_a_web_server(tmp_path: Path) -> None:
    with listening(answer=b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        assert "it is a web server" in once(tmp_path, peer.address).detail


def test_the_given_authority_is_trusted_and_no_other(tmp_path: Path) -> None:
    ours, strangers = Authority(tmp_path), Authority(tmp_path, "strangers")
    pair = ours.issue("server")
    with ScriptedAggregator(tls=(pair.key.read_bytes(), pair.cert.read_bytes())) as aggregator:
        good = GrpcTransport(aggregator.address, tls_ca=ours.ca)
        assert good.check_in(REQUEST).come_back.reason == "no task"
        good.close()
        with pytest.raises(TransportError, match="closed"):
            good.check_in(REQUEST)
        for ca, words in ((strangers.ca, "was given up"), (None, "cannot reach")):
            bad = GrpcTransport(aggregator.address, tls_ca=ca, timeout=timedelta(seconds=5))
            with pytest.raises(TransportError, match=words) as caught:
                bad.check_in(REQUEST)
            bad.close()
            assert isinstance(caught.value, PeerError) is (ca is not None)
        assert len(aggregator.check_ins) == 1


@contextlib.contextmanager
def another_version(answer: bytes | None) -> Iterator[str]:
    """A server of a later protocol: what it answers to a check-in; None where it has no such call any more."""
    server = grpc.server(ThreadPoolExecutor(2))
    if answer is not None:
        handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)
        calls = grpc.method_handlers_generic_handler("fieldfare.protos.v1.Aggregator", {"CheckIn": handler})
        server.add_generic_rpc_handlers((calls,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_an_aggregator_that_no_longer_speaks_this_protocol(tmp_path: Path) -> None:
    with another_version(None) as address:
        ended = once(tmp_path, address)
        assert ended.ended is Ended.UNREACHABLE
        assert "speaks another version of the protocol than this SDK" in ended.detail
        assert ended.come_back_after >= HASTY.after_peer_error / 2


def test_an_aggregator_that_answers_in_a_newer_protocol(tmp_path: Path) -> None:
    """A new kind of answer, the field 7, is all that it gives."""
    with another_version(b"\x3a\x02hi") as address:
        with device(tmp_path, address) as one, pytest.raises(ProtocolError, match="upgrade the SDK"):
            one.run_once()
        with device(tmp_path, address) as one:
            seen: list[Participation] = []
            one.run_forever(threading.Event(), seen.append, idle_after=timedelta(milliseconds=50))
        # No crash, and no second check-in within the hour.
        assert [each.ended for each in seen] == [Ended.IDLE, *[Ended.IDLE] * (len(seen) - 1)]
        assert all(each.come_back_after > timedelta(minutes=59) for each in seen)


class Flood(ScriptedAggregator):
    """Sends without end what was not asked for."""

    sent = 0

    def FetchArtifact(self, request: aggregator_pb2.FetchArtifactRequest, context: Any) -> Any:  # noqa: N802
        self.fetches.append(request)
        offset = request.offset
        while context.is_active():
            self.sent += 1
            yield aggregator_pb2.ArtifactChunk(offset=offset, data=bytes(1000))
            offset += 1000


def test_a_stream_without_end_is_left_after_the_bytes_that_were_announced(tmp_path: Path) -> None:
    with Flood() as peer:
        peer.offer(b"p" * 5000, b"c")
        with device(tmp_path, peer.address) as one, pytest.raises(ProtocolError, match="that were not asked for"):
            one.run_once()
        assert len(peer.fetches) == 1
        assert peer.sent < 1000
        assert DeviceFolder(tmp_path / "device").cache.size_bytes() <= 5000


def test_a_message_beyond_the_bound_is_not_taken(tmp_path: Path) -> None:
    with another_version(b"\x12" + b"\x80\x80\x80\x04" + bytes(2**23)) as address:
        ended = once(tmp_path, address)
        assert ended.ended is Ended.UNREACHABLE
        assert "larger than max" in ended.detail
