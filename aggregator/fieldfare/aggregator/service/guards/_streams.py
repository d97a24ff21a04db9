"""Requests read within a time, whatever the kind of call; answers that must be taken within a time.

gRPC waits without bound for the one message of a unary call, and for a reader who does not read. So a guard serves
unary calls as streams of one message: on the wire the two are the same.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Hashable
from datetime import timedelta
from typing import Any

import grpc

from fieldfare.aggregator.service._errors import abort
from fieldfare.aggregator.service.guards._calls import Context
from fieldfare.core.errors import LimitError

_SLOW = "the request took too long to arrive: send it again"


async def only_message(stream: AsyncIterable[Any], context: Context, limit: timedelta) -> Any:
    """The message of a call that has one; the call ends where it does not come in time, or not at all."""
    message = await next_message(aiter(stream), context, limit)
    if message is None:
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "the call came without a request")
    return message


async def next_message(stream: AsyncIterator[Any], context: Context, limit: timedelta) -> Any:
    """The next message, or None at the end; the call ends where it does not come in time."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await anext(stream, None)
    except TimeoutError:
        await abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, _SLOW)


async def from_first(first: Any, stream: AsyncIterator[Any], context: Context, limit: timedelta) -> AsyncIterator[Any]:
    """A stream whose first message was read already; the others must follow in time."""
    message = first
    while message is not None:
        yield message
        message = await next_message(stream, context, limit)


class Downloads:
    """Answers that go out in pieces, each of which must be taken in time.

    gRPC cannot end a call while a piece of its answer is unsent: a reader who does not read keeps one piece in memory
    until the connection ends, which `max_connection_age` sees to. So a caller who holds `most_unread` of them gets no
    further download.

    Args:
        limit: a piece must be taken within this.
        most_unread: answers that one caller may leave unread.
    """

    def __init__(self, limit: timedelta, most_unread: int = 4) -> None:
        self._limit = limit
        self._most = most_unread
        self._unread: Counter[Hashable] = Counter()

    async def send(self, answers: AsyncIterable[Any], context: Context, caller: Hashable) -> None:
        """Send all pieces; the call ends where one is not taken in time.

        Raises:
            LimitError: the caller leaves other answers unread.
        """
        if self._unread[caller] >= self._most:
            seconds = self._limit.total_seconds()
            raise LimitError(f"{self._most} earlier downloads are not read: read or end them", retry_after_s=seconds)
        async for answer in answers:
            writing = asyncio.ensure_future(context.write(answer))
            try:
                taken, _ = await asyncio.wait([writing], timeout=self._limit.total_seconds())
                if not taken:
                    await self._leave(writing, caller)
                    await abort(
                        context, grpc.StatusCode.DEADLINE_EXCEEDED, "the answer was not read in time: ask again"
                    )
                await writing
            finally:
                # Of use where the caller hung up meanwhile.
                writing.cancel()

    async def _leave(self, writing: "asyncio.Future[None]", caller: Hashable) -> None:
        self._unread[caller] += 1
        try:
            await writing
        finally:
            self._unread[caller] -= 1
            self._unread += Counter()
