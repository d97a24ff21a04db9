"""The one place where an error becomes a gRPC status."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc

from fieldfare.core.errors import (
    AggregationError,
    AuthenticationError,
    FieldfareError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    StateError,
    StorageError,
    TransportError,
)

_CODES: tuple[tuple[type[FieldfareError], grpc.StatusCode], ...] = (
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (StateError, grpc.StatusCode.FAILED_PRECONDITION),
    (StorageError, grpc.StatusCode.UNAVAILABLE),
    (AuthenticationError, grpc.StatusCode.UNAUTHENTICATED),
    (PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (LimitError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (TransportError, grpc.StatusCode.UNAVAILABLE),
    (AggregationError, grpc.StatusCode.INTERNAL),
    # Every other error of ours says what is wrong with what was sent.
    (FieldfareError, grpc.StatusCode.INVALID_ARGUMENT),
)


def status_code(error: FieldfareError) -> grpc.StatusCode:
    """The gRPC status that tells a peer what kind of error this is, and so whether trying again may help."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


@contextlib.asynccontextmanager
async def on_the_wire(context: "grpc.aio.ServicerContext[Any, Any]") -> AsyncIterator[None]:
    """End the call with the right status when the body raises an error of ours."""
    try:
        yield
    except FieldfareError as error:
        await abort(context, status_code(error), str(error), _metadata(error))


async def abort(
    context: "grpc.aio.ServicerContext[Any, Any]",
    code: grpc.StatusCode,
    message: str,
    metadata: tuple[tuple[str, str], ...] = (),
) -> NoReturn:
    """End the call; one line, of bounded length."""
    await context.abort(code, message.replace("\n", " ")[:1000], metadata)
    raise AssertionError("abort returned")  # pragma: no cover


def _metadata(error: FieldfareError) -> tuple[tuple[str, str], ...]:
    """What a peer should know beside the words: the time here, or when to come back."""
    if isinstance(error, AuthenticationError) and error.server_time_micros is not None:
        return (("fieldfare-time-micros", str(error.server_time_micros)),)
    if isinstance(error, LimitError):
        return (("grpc-retry-pushback-ms", str(round(error.retry_after_s * 1000))),)
    return ()
