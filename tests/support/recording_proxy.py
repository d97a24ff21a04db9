"""A TCP proxy on loopback that keeps every byte of both directions, and cuts connections where a test says so.

Plain sockets and threads, no gRPC: what it recorded is what was on the wire. `messages` reads the gRPC messages out of
the HTTP/2 frames of one direction.
"""

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_PADDED = 0x8
_READ_BYTES = 1 << 14


@dataclass(frozen=True)
class Cut:
    """Ends one connection once so many bytes have gone up (from the device) or down (to it)."""

    direction: str
    after_bytes: int


@dataclass
class Connection:
    """What went over one connection."""

    cut: Cut | None = None
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class RecordingProxy:
    """Listens on a free loopback port and hands everything on to `target`, "127.0.0.1:port".

    Args:
        target: where connections go.
        cuts: one for each connection, in the order in which they come; further connections are not cut.
    """

    def __init__(self, target: str, *, cuts: tuple[Cut, ...] = ()) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._cuts = deque(cuts)
        self.cuts_made: list[Cut] = []
        self.connections: list[Connection] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def up(self) -> bytes:
        """Every byte from devices to the target, connection after connection."""
        return b"".join(bytes(one.up) for one in self.connections)

    def down(self) -> bytes:
        """Every byte from the target to devices."""
        return b"".join(bytes(one.down) for one in self.connections)

    def sent_messages(self) -> list[bytes]:
        """The serialised messages that devices sent."""
        return [message for one in self.connections for message in messages(bytes(one.up))]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            sockets = [self._listener, *self._sockets]
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, run: object, *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                device, _ = self._listener.accept()
            except OSError:
                return
            try:
                target = socket.create_connection(self._target, 5)
                target.settimeout(None)
            except OSError:
                device.close()
                continue
            with self._lock:
                if self._closed:
                    device.close()
                    target.close()
                    return
                self._sockets += [device, target]
                connection = Connection(self._cuts.popleft() if self._cuts else None)
                self.connections.append(connection)
            self._start(self._pump, device, target, connection, "up")
            self._start(self._pump, target, device, connection, "down")

    def _pump(self, source: socket.socket, sink: socket.socket, connection: Connection, direction: str) -> None:
        record: bytearray = getattr(connection, direction)
        cut = connection.cut if connection.cut is not None and connection.cut.direction == direction else None
        with contextlib.suppress(OSError):
            while data := source.recv(_READ_BYTES):
                if cut is not None:
                    data = data[: cut.after_bytes - len(record)]
                record += data
                sink.sendall(data)
                if cut is not None and len(record) >= cut.after_bytes:
                    self.cuts_made.append(cut)
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def frames(recorded: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The whole HTTP/2 frames of one direction of one connection: type, flags, stream and payload (RFC 9113, 4.1)."""
    start = len(_PREFACE) if recorded.startswith(_PREFACE) else 0
    while start + 9 <= len(recorded):
        length = int.from_bytes(recorded[start : start + 3])
        kind, flags = recorded[start + 3], recorded[start + 4]
        stream = int.from_bytes(recorded[start + 5 : start + 9]) & 0x7FFF_FFFF
        start += 9
        if start + length > len(recorded):
            return
        yield kind, flags, stream, recorded[start : start + length]
        start += length


def bodies(recorded: bytes) -> dict[int, bytes]:
    """The DATA of every stream, put together: a value that two frames share is whole here."""
    found: dict[int, bytearray] = {}
    for kind, flags, stream, payload in frames(recorded):
        if kind == _DATA:
            content = payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
            found.setdefault(stream, bytearray()).extend(content)
    return {stream: bytes(content) for stream, content in found.items()}


def header_bytes(recorded: bytes) -> dict[int, int]:
    """Bytes of the (compressed) headers of every stream."""
    found: dict[int, int] = {}
    for kind, _, stream, payload in frames(recorded):
        if kind in {_HEADERS, _CONTINUATION}:
            found[stream] = found.get(stream, 0) + len(payload)
    return found


def messages(recorded: bytes) -> list[bytes]:
    """The whole gRPC messages of one direction of one connection; refuses compressed ones, which would hide."""
    found = []
    for body in bodies(recorded).values():
        start = 0
        while start + 5 <= len(body):
            compressed, length = struct.unpack_from(">BI", body, start)
            assert compressed == 0, "a compressed message cannot be searched"
            if start + 5 + length > len(body):
                break
            found.append(body[start + 5 : start + 5 + length])
            start += 5 + length
    return found
