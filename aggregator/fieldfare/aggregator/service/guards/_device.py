"""What stands before the device service."""

from collections.abc import AsyncIterable, Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc

from fieldfare.aggregator.interceptors import WrappingInterceptor
from fieldfare.aggregator.security import Protection
from fieldfare.aggregator.service._errors import on_the_wire
from fieldfare.aggregator.service.guards._calls import Context, bearer_token, method_name, peer_address, status_name
from fieldfare.aggregator.service.guards._others import bounded
from fieldfare.aggregator.service.guards._streams import Downloads, from_first, next_message, only_message
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.access import AccessClaims, Rate, RateLimiter
from fieldfare.core.errors import LimitError, PermissionDeniedError
from fieldfare.core.rounds import open_ticket
from fieldfare.protos.v1 import aggregator_pb2

_SERVICE = "/fieldfare.protos.v1.Aggregator/"
_SIGN_IN = {"Enroll", "RefreshToken"}
_REFUSALS = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
_TOO_OFTEN = "this device calls too often"


class DeviceGuard(WrappingInterceptor):
    """Asks each call for its token and holds it to the token's device; bounds how often and how slowly devices call.

    Args:
        protection: knows tokens, and whether they are required.
        settings: rates and time limits.
        clock: seconds that never go back.
    """

    def __init__(self, protection: Protection, settings: ServerSettings, clock: Callable[[], float]) -> None:
        super().__init__()
        security = settings.security
        self._enrollment = protection.enrollment
        self._required = protection.posture.enrollment
        self._ticket_key = protection.ticket_key
        self._limit = settings.limits.chunk_time_limit
        self._clock = clock
        self._downloads = Downloads(self._limit)
        self._devices = RateLimiter(Rate(security.device_calls_per_s, security.device_burst))
        self._peers = RateLimiter(Rate(security.peer_calls_per_s, security.peer_burst))
        self._failures = RateLimiter(Rate(security.failures_per_min / 60, security.failures_per_min))

    def wrap(self, method: str, handler: Any) -> Any:
        """The guarded handler; of calls that are not ours (health, reflection) only the bounds are guarded."""
        if not method.startswith(_SERVICE):
            return bounded(handler, self._limit, self._downloads, self._admit_peer)
        call = method_name(method)
        wire = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._fetch(handler.unary_stream), **wire)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._report(handler.stream_unary), **wire)
        answer = self._sign_in(handler.unary_unary) if call in _SIGN_IN else self._check_in(handler.unary_unary)
        return grpc.stream_unary_rpc_method_handler(answer, **wire)

    def _check_in(self, inner: Callable[[Any, Context], Awaitable[Any]]) -> Any:
        async def call(stream: AsyncIterable[aggregator_pb2.CheckInRequest], context: Context) -> Any:
            async with on_the_wire(context):
                claims = self._claims(context)
                request = await only_message(stream, context, self._limit)
                _hold_to(claims, request.device_id)
                if claims is not None and request.population != claims.population:
                    raise PermissionDeniedError(f"this device is enrolled in population {claims.population!r}")
                if wait := self._devices.take(request.device_id, self._clock()):
                    after = timedelta(seconds=wait)
                    return aggregator_pb2.CheckInResponse(
                        come_back=aggregator_pb2.ComeBack(after=after, reason=_TOO_OFTEN)
                    )
                return await inner(request, context)
            raise AssertionError("unreachable")  # pragma: no cover

        return call

    def _report(self, inner: Callable[[Any, Context], Awaitable[Any]]) -> Any:
        async def call(stream: AsyncIterable[aggregator_pb2.ReportRequest], context: Context) -> Any:
            async with on_the_wire(context):
                claims = self._claims(context)
                parts = aiter(stream)
                first = await next_message(parts, context, self._limit)
                if first is not None and first.HasField("header"):
                    _hold_to(claims, first.header.device_id)
                    if wait := self._devices.take(first.header.device_id, self._clock()):
                        return _later(first.header, wait)
                return await inner(from_first(first, parts, context, self._limit), context)
            raise AssertionError("unreachable")  # pragma: no cover

        return call

    def _fetch(self, inner: Callable[[Any, Context], AsyncIterable[Any]]) -> Any:
        async def call(stream: AsyncIterable[aggregator_pb2.FetchArtifactRequest], context: Context) -> None:
            async with on_the_wire(context):
                claims = self._claims(context)
                request = await only_message(stream, context, self._limit)
                device = self._device_of(request.ticket)
                _hold_to(claims, device)
                if wait := self._devices.take(device, self._clock()):
                    raise LimitError(f"{_TOO_OFTEN}: come back in {wait:.1f} s", retry_after_s=wait)
                await self._downloads.send(inner(request, context), context, device)

        return call

    def _sign_in(self, inner: Callable[[Any, Context], Awaitable[Any]]) -> Any:
        async def call(stream: AsyncIterable[Any], context: Context) -> Any:
            async with on_the_wire(context):
                address = self._admit_peer(context)
                if (wait := self._failures.wait(address, self._clock())) > 0:
                    raise LimitError(f"too many failed attempts: come back in {wait:.1f} s", retry_after_s=wait)
                request = await only_message(stream, context, self._limit)
                try:
                    return await inner(request, context)
                except grpc.aio.AbortError:
                    if status_name(context) in _REFUSALS:
                        self._failures.take(address, self._clock())
                    raise
            raise AssertionError("unreachable")  # pragma: no cover

        return call

    def _admit_peer(self, context: Context) -> str:
        """The caller's address.

        Raises:
            LimitError: calls come from there too often.
        """
        address, local = peer_address(context.peer())
        wait = 0.0 if local else self._peers.take(address, self._clock())
        if wait:
            raise LimitError(f"too many calls from {address}: come back in {wait:.1f} s", retry_after_s=wait)
        return address

    def _claims(self, context: Context) -> AccessClaims | None:
        """The caller's token; None where none is asked for."""
        self._admit_peer(context)
        return self._enrollment.check(bearer_token(context)) if self._required else None

    def _device_of(self, ticket: bytes) -> bytes:
        """The device that a ticket names."""
        return open_ticket(self._ticket_key, ticket).device_id


def _hold_to(claims: AccessClaims | None, device_id: bytes) -> None:
    """A device calls for itself."""
    if claims is not None and claims.device_id != device_id:
        raise PermissionDeniedError("the access token is another device's")


def _later(header: aggregator_pb2.ReportHeader, wait: float) -> aggregator_pb2.Receipt:
    """The report was not read. A question after a report must not be answered so: its device would send it again."""
    if header.receipt_only:
        raise LimitError(f"{_TOO_OFTEN}: ask again in {wait:.1f} s", retry_after_s=wait)
    return aggregator_pb2.Receipt(
        status=aggregator_pb2.RECEIPT_STATUS_UNKNOWN, detail=_TOO_OFTEN, come_back_after=timedelta(seconds=wait)
    )
