"""A caller that speaks HTTP/2 by itself, over a plain socket, as slowly as a test likes."""

import select
import socket
import struct
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

Headers = list[tuple[str, str]]


class SlowCaller:
    """One connection with one call.

    Args:
        address: "HOST:PORT".
        method: "/fieldfare.protos.v1.Aggregator/CheckIn".
        window: bytes of the answer that the caller lets the server send without reading.
        metadata: further headers.

    Attributes:
        status: the gRPC status with which the server ended the call; None while it has not, -1 where it cut it off.
        received: bytes of the answer.
    """

    def __init__(self, address: str, method: str, *, window: int = 65_535, metadata: Headers | None = None) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._h2 = H2Connection(H2Configuration(client_side=True))
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", address),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *(metadata or []),
        ]
        self._h2.send_headers(1, headers)
        self.status: int | None = None
        self.message = ""
        self.received = 0
        self._going = False
        self._flush()

    def begin_message(self, content: bytes, *, announce: int | None = None, end: bool = False) -> None:
        """Send one gRPC message, or its beginning: `announce` is the length that its head tells."""
        head = struct.pack(">BI", 0, len(content) if announce is None else announce)
        self._h2.send_data(1, head + content, end_stream=end)
        self._flush()

    def trickle(self, content: bytes) -> None:
        """Further bytes of a message that was begun."""
        self._h2.send_data(1, content)
        self._flush()

    def allow(self, nbytes: int) -> None:
        """Let the server send more of the answer."""
        self._h2.increment_flow_control_window(nbytes, 1)
        self._flush()

    def wait(self, within_s: float) -> int | None:
        """Take what the server sends, without giving it more window, until it ends the call or the time is over."""
        until = time.monotonic() + within_s
        while self.status is None and (left := until - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                break
            data = self._socket.recv(65_536)
            if not data:
                self.status = -1
                break
            if self._going:
                continue
            try:
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
            except ProtocolError:
                # After the server has said that it goes away, the library takes no further frames: only the end counts.
                self._going = True
        return self.status

    def close(self) -> None:
        self._socket.close()

    def _take(self, event: object) -> None:
        if isinstance(event, DataReceived):
            self.received += len(event.data)
        headers = getattr(event, "headers", None)
        for name, value in headers or []:
            if name in {"grpc-status", b"grpc-status"}:
                self.status = int(value)
            if name in {"grpc-message", b"grpc-message"}:
                self.message = value if isinstance(value, str) else value.decode()
        if isinstance(event, StreamReset) and self.status is None:
            self.status = -1
        if isinstance(event, StreamEnded | TrailersReceived) and self.status is None:
            self.status = -1

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())
