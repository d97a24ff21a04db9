"""Reading the payload of a report within its bounds of bytes and time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fieldfare.core.errors import TransportError, UpdateError
from fieldfare.protos.v1 import aggregator_pb2


class ByteBudget:
    """Lets reports in, first come first served, as long as their payloads fit; one is always let in.

    So memory is bounded by the budget or by one model, whichever is larger, and many small updates can come in slowly
    without keeping each other out.

    Args:
        limit: bytes that may be held at the same time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, nbytes: int) -> AsyncIterator[None]:
        """Wait for room, and keep it while the body runs."""
        await self._acquire(nbytes)
        try:
            yield
        finally:
            self._used -= nbytes
            self._let_in()

    async def _acquire(self, nbytes: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((nbytes, turn))
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._used -= nbytes
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            nbytes, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if self._used and self._used + nbytes > self._limit:
                return
            self._waiting.popleft()
            self._used += nbytes
            turn.set_result(None)


async def read_payload(
    stream: AsyncIterator[aggregator_pb2.ReportRequest], nbytes: int, *, chunk_time_limit: timedelta
) -> tuple[bytearray, bytes]:
    """Read data up to the trailer.

    Args:
        stream: what follows the header.
        nbytes: the length that the header announced and the rules allow.
        chunk_time_limit: the sender may be silent for so long.

    Returns:
        The payload and the digest that the device sent.

    Raises:
        UpdateError: more or fewer bytes than announced.
        TransportError: the stream ended without a trailer.
        TimeoutError: the sender is too slow.
    """
    payload = bytearray(nbytes)
    position = 0
    while True:
        part = await _next_part(stream, chunk_time_limit)
        if part is None:
            # Not refused: gRPC tells a lost connection so now and then, and the device sends the report again.
            raise TransportError(
                f"the stream ended after {position} of {nbytes} bytes, without a trailer: send it again"
            )
        kind = part.WhichOneof("part")
        if kind == "data":
            data = part.data  # once: each look at a message's bytes is a copy of them
            end = position + len(data)
            if end > nbytes:
                raise UpdateError("length", f"the stream holds more than the announced {nbytes} bytes")
            payload[position:end] = data
            position = end
        elif kind == "trailer":
            if position != nbytes:
                raise UpdateError("length", f"the stream ended after {position} of {nbytes} bytes")
            return payload, part.trailer.sha256
        else:
            raise UpdateError("stream", "after its header, a report consists of data and a trailer")


async def _next_part(
    stream: AsyncIterator[aggregator_pb2.ReportRequest], limit: timedelta
) -> aggregator_pb2.ReportRequest | None:
    async with asyncio.timeout(limit.total_seconds()):
        return await anext(stream, None)
