"""A TCP proxy on loopback that keeps every byte of both directions, and does to connections what a test says.

Plain sockets, no gRPC: what it recorded is what was on the wire. `messages` reads the gRPC messages out of the HTTP/2
frames of one direction. `faults` has what can go wrong.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import hpack

from tests.support.faults import DOWN, UP, Ending, Fault, Piece

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_READ_BYTES = 1 << 14
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Tls:
    """A proxy that takes TLS apart, to record what is in it.

    Attributes:
        server: how it shows itself to devices.
        client: how it goes on to the target, as "localhost".
    """

    server: ssl.SSLContext
    client: ssl.SSLContext

    @classmethod
    def of(cls, ca: Path, cert: Path, key: Path) -> Self:
        """From PEM files: the authority of the target, and a certificate of its own."""
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=ca)
        server.load_cert_chain(cert, key)
        for context in (server, client):
            context.set_alpn_protocols(["h2"])
        return cls(server, client)


@dataclass
class Connection:
    """What went over one connection, as it was sent on.

    Attributes:
        faults: what goes wrong with it.
        up: bytes from the device.
        down: bytes to it.
        silent: nothing goes on in either direction.
    """

    faults: Sequence[Fault] = ()
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    silent: bool = False


class RecordingProxy:
    """Listens on a free loopback port and hands everything on to `target`, from a thread of its own.

    Args:
        target: "127.0.0.1:port".
        faults: what goes wrong with each connection, in the order in which they come; nothing does with further ones.
        tls: take TLS apart; without it bytes are handed on as they are.

    Attributes:
        connections: all that there were.
        struck: faults that ended or silenced a connection, in that order.
        refused: connections that came while the target did not listen.
    """

    def __init__(self, target: str, *, faults: Iterable[Sequence[Fault]] = (), tls: Tls | None = None) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._faults = iter(faults)
        self._tls = tls
        self.struck: list[Fault] = []
        self.connections: list[Connection] = []
        self.refused = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(listener),))
        self._thread.start()
        self._ready.wait()

    def up(self) -> bytes:
        """Every byte from devices to the target, connection after connection."""
        return b"".join(bytes(one.up) for one in self.connections)

    def down(self) -> bytes:
        """Every byte from the target to devices."""
        return b"".join(bytes(one.down) for one in self.connections)

    def sent_messages(self) -> list[bytes]:
        """The serialised messages that devices sent."""
        return [message for one in self.connections for message in messages(bytes(one.up))]

    def silence(self) -> None:
        """The connections that there are stay open, and carry nothing more; new ones are as ever."""
        for one in list(self.connections):
            one.silent = True

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self, listener: socket.socket) -> None:
        shown = None if self._tls is None else self._tls.server
        server = await asyncio.start_server(self._accepted, sock=listener, limit=_READ_BYTES, ssl=shown)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # One turn of the loop, in which the aborted sockets are closed.
        await asyncio.sleep(0)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Not the coroutine that passes bytes on: the server would wait for that one at its end."""
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        more = {} if self._tls is None else {"ssl": self._tls.client, "server_hostname": "localhost"}
        try:
            there, onwards = await asyncio.open_connection(*self._target, limit=_READ_BYTES, **more)
        except OSError:
            self.refused += 1
            writer.close()
            return
        self._writers.add(onwards)
        connection = Connection(tuple(next(self._faults, ())))
        self.connections.append(connection)
        ends = (writer, onwards)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, onwards, connection, UP, ends))
            group.create_task(self._pump(there, writer, connection, DOWN, ends))
        self._writers.difference_update(ends)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        connection: Connection,
        direction: str,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        record: bytearray = getattr(connection, direction)
        faults = [one for one in connection.faults if one.direction == direction]
        deaf = False
        with contextlib.suppress(OSError):
            while data := await source.read(_READ_BYTES):
                if deaf or connection.silent:
                    continue
                piece, culprit = _suffered(Piece(data), len(record), faults)
                if piece.wait_s:
                    await asyncio.sleep(piece.wait_s)
                # Recorded first: who got an answer may look at once for what led to it.
                record += piece.data
                sink.write(piece.data)
                await sink.drain()
                if piece.ending is not None and culprit is not None:
                    self.struck.append(culprit)
                    deaf = piece.ending is Ending.SILENCE
                    if not deaf:
                        _end(ends, reset=piece.ending is Ending.RESET)
                        return
        if deaf or connection.silent:
            await self._stop.wait()
        for one in ends:
            one.close()


def _suffered(piece: Piece, start: int, faults: Sequence[Fault]) -> tuple[Piece, Fault | None]:
    """What becomes of a piece under all faults, and the one that ends the connection."""
    culprit = None
    for fault in faults:
        before = piece.ending
        piece = fault.apply(piece, start)
        culprit = fault if piece.ending is not before else culprit
    return piece, culprit


def _end(ends: Sequence[asyncio.StreamWriter], *, reset: bool) -> None:
    for one in ends:
        if not reset:
            # What was written before goes out, then both ends see the close.
            one.close()
            continue
        connected: socket.socket = one.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        one.transport.abort()


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


def headers(recorded: bytes) -> bytes:
    """The headers and trailers of every stream as text, a line each (RFC 7541): nothing hides in their compression."""
    decoder, block, lines = hpack.Decoder(), b"", []
    for kind, flags, _, payload in frames(recorded):
        if kind not in {_HEADERS, _CONTINUATION}:
            continue
        first, end = 0, len(payload)
        if kind == _HEADERS and flags & _PADDED:
            first, end = 1, end - payload[0]
        if kind == _HEADERS and flags & _PRIORITY:
            first += 5
        block += payload[first:end]
        if flags & _END_HEADERS:
            lines += [name + b": " + value for name, value in decoder.decode(block, raw=True)]
            block = b""
    return b"\n".join(lines)


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
