"""Calls that are not ours (health, reflection) under the same bounds: nobody signs in, and nobody may dawdle."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc

from fieldfare.aggregator.service._errors import on_the_wire
from fieldfare.aggregator.service.guards._calls import Context
from fieldfare.aggregator.service.guards._streams import Downloads, from_first, next_message, only_message


def bounded(handler: Any, limit: timedelta, downloads: Downloads, admit: Callable[[Context], str]) -> Any:
    """A handler whose requests must come, and whose answers must be taken, in time.

    Args:
        handler: of a method with one answer to one request, or with a stream of answers.
        limit: how long each message of the caller may take.
        downloads: bound slow readers.
        admit: tells who calls; raises `LimitError` where that is too often.
    """

    async def answer(stream: AsyncIterable[Any], context: Context) -> Any:
        async with on_the_wire(context):
            admit(context)
            return await handler.unary_unary(await only_message(stream, context, limit), context)
        raise AssertionError("unreachable")  # pragma: no cover

    async def answers(stream: AsyncIterable[Any], context: Context) -> None:
        async with on_the_wire(context):
            caller = admit(context)
            if handler.request_streaming:
                found = handler.stream_stream(_timely(aiter(stream), context, limit), context)
            else:
                found = handler.unary_stream(await only_message(stream, context, limit), context)
            await downloads.send(found, context, caller)

    wire = {"request_deserializer": handler.request_deserializer, "response_serializer": handler.response_serializer}
    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(answers, **wire)
    return grpc.stream_unary_rpc_method_handler(answer, **wire)


async def _timely(stream: AsyncIterator[Any], context: Context, limit: timedelta) -> AsyncIterator[Any]:
    async for message in from_first(await next_message(stream, context, limit), stream, context, limit):
        yield message
