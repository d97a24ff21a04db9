"""Requests read within a time, whatever the kind of call; answers that must be taken within a time.

gRPC waits without bound for the one message of a unary call, and for a reader who does not read. So a guard serves
unary calls as streams of one message: on the wire the two are the same.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from typing import Any

import grpc

from fieldfare.aggregator.service._errors import abort
from fieldfare.aggregator.service.guards._calls import Context

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


async def send_all(answers: AsyncIterable[Any], context: Context, limit: timedelta) -> None:
    """Send a stream of answers; the call ends where the reader does not take one in time."""
    async for answer in answers:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await context.write(answer)
        except TimeoutError:
            await abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the answer was not read: ask again")
