"""What can go wrong on a connection, one class each; `RecordingProxy` brings it about.

A fault is a value without sockets or clocks: it is given each piece of one direction as it comes, and gives back what
becomes of it. To add one, write a frozen dataclass with `direction` and `apply`; the proxy needs no change unless the
connection is to end in a new way (`Ending`).
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

UP, DOWN = "up", "down"
"""From the device, and to it."""


class Ending(Enum):
    """What happens to the connection after a piece."""

    CLOSE = "both ends see it closed"
    RESET = "both ends see it reset"
    SILENCE = "it stays open, and nothing goes on in this direction any more"


@dataclass(frozen=True)
class Piece:
    """Bytes on their way.

    Attributes:
        data: what goes on.
        wait_s: how long it waits before it does.
        ending: what happens then.
    """

    data: bytes
    wait_s: float = 0.0
    ending: Ending | None = None


class Fault(Protocol):
    """One thing that goes wrong in one direction."""

    @property
    def direction(self) -> str: ...

    def apply(self, piece: Piece, start: int) -> Piece:
        """What becomes of a piece; `start` bytes went before it on this connection and in this direction."""
        ...


@dataclass(frozen=True)
class Delay:
    """Every piece takes so much longer."""

    direction: str
    seconds: float

    def apply(self, piece: Piece, start: int) -> Piece:
        return replace(piece, wait_s=piece.wait_s + self.seconds)


@dataclass(frozen=True)
class Throttle:
    """No more than so many bytes a second."""

    direction: str
    bytes_per_s: float

    def apply(self, piece: Piece, start: int) -> Piece:
        return replace(piece, wait_s=piece.wait_s + len(piece.data) / self.bytes_per_s)


@dataclass(frozen=True)
class _At:
    """Strikes when so many bytes have gone on; those behind them do not."""

    direction: str
    after_bytes: int

    def strike(self, piece: Piece, start: int, ending: Ending) -> Piece:
        left = max(self.after_bytes - start, 0)
        return piece if left > len(piece.data) else replace(piece, data=piece.data[:left], ending=ending)


@dataclass(frozen=True)
class Cut(_At):
    """The connection is closed in mid-stream."""

    def apply(self, piece: Piece, start: int) -> Piece:
        return self.strike(piece, start, Ending.CLOSE)


@dataclass(frozen=True)
class Reset(_At):
    """The connection is reset (RST) in mid-stream."""

    def apply(self, piece: Piece, start: int) -> Piece:
        return self.strike(piece, start, Ending.RESET)


@dataclass(frozen=True)
class Swallow(_At):
    """The connection stays open, and nothing arrives any more: half-open, as after a router forgot it."""

    def apply(self, piece: Piece, start: int) -> Piece:
        return self.strike(piece, start, Ending.SILENCE)


@dataclass(frozen=True)
class Corrupt:
    """One byte arrives changed."""

    direction: str
    at: int
    mask: int = 0x55

    def apply(self, piece: Piece, start: int) -> Piece:
        place = self.at - start
        if not 0 <= place < len(piece.data):
            return piece
        return replace(
            piece, data=piece.data[:place] + bytes([piece.data[place] ^ self.mask]) + piece.data[place + 1 :]
        )
