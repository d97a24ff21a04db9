"""What stands before the admin service: credentials, roles, the audit log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc

from fieldfare.aggregator.interceptors import WrappingInterceptor
from fieldfare.aggregator.security import Protection
from fieldfare.aggregator.service._errors import on_the_wire
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.service.guards._calls import Context, bearer_token, method_name, peer_address, status_name
from fieldfare.aggregator.service.guards._others import bounded
from fieldfare.aggregator.service.guards._streams import Downloads, from_first, next_message, only_message
from fieldfare.aggregator.service.guards._subjects import CHANGES, about
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.aggregator.storage import AuditRecord, CredentialRecord
from fieldfare.core.access import Rate, RateLimiter, Role
from fieldfare.core.errors import AuthenticationError, LimitError, PermissionDeniedError, StorageError

_log = logging.getLogger("fieldfare.aggregator")
_SERVICE = "/fieldfare.protos.v1.Admin/"
_NEEDED = {
    "ListTasks": Role.VIEWER,
    "GetTask": Role.VIEWER,
    "FetchArtifact": Role.VIEWER,
    "SubmitTask": Role.OPERATOR,
    "ControlTask": Role.OPERATOR,
    "CreateEnrollmentKeys": Role.ADMIN,
    "ListDevices": Role.ADMIN,
    "RevokeDevice": Role.ADMIN,
    "ListAuditRecords": Role.ADMIN,
}
_REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}


@dataclass(slots=True)
class _Entry:
    """What the audit log will say of a call."""

    call: str
    origin: str
    who: str = ""
    subject: str = ""
    detail: str = ""


class AdminGuard(WrappingInterceptor):
    """Asks each call for a credential whose role allows it, and writes down what changed something or was refused.

    Args:
        protection: knows administrators, and takes the audit log.
        workers: threads for what blocks.
        settings: rates and time limits.
        now: the present, timezone-aware.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        protection: Protection,
        workers: Workers,
        settings: ServerSettings,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        failures = settings.security.failures_per_min
        self._administrators = protection.administrators
        self._store = protection.store
        self._open = protection.posture.admin_open
        self._workers = workers
        self._limit = settings.limits.chunk_time_limit
        self._now = now
        self._clock = clock
        self._downloads = Downloads(self._limit)
        self._failures = RateLimiter(Rate(failures / 60, failures))

    def wrap(self, method: str, handler: Any) -> Any:
        """The guarded handler; of calls that are not ours (health, reflection) only the bounds are guarded."""
        if not method.startswith(_SERVICE):
            return bounded(handler, self._limit, self._downloads, _address)
        call = method_name(method)
        wire = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streaming(call, handler.unary_stream), **wire)
        one = None if handler.request_streaming else handler.unary_unary
        return grpc.stream_unary_rpc_method_handler(self._answering(call, handler.stream_unary, one), **wire)

    def _answering(self, call: str, many: Any, one: Any) -> Any:
        async def answer(stream: AsyncIterable[Any], context: Context) -> Any:
            async with self._audited(call, context) as entry:
                parts = aiter(stream)
                first = await (only_message if one else next_message)(parts, context, self._limit)
                entry.subject, entry.detail = about(first)
                if one is not None:
                    response = await one(first, context)
                else:
                    response = await many(from_first(first, parts, context, self._limit), context)
                entry.subject = about(response)[0] or entry.subject
                return response
            raise AssertionError("unreachable")  # pragma: no cover

        return answer

    def _streaming(self, call: str, inner: Callable[[Any, Context], AsyncIterable[Any]]) -> Any:
        async def answer(stream: AsyncIterable[Any], context: Context) -> None:
            async with self._audited(call, context) as entry:
                request = await only_message(stream, context, self._limit)
                entry.subject, entry.detail = about(request)
                await self._downloads.send(inner(request, context), context, entry.who or entry.origin)

        return answer

    @contextlib.asynccontextmanager
    async def _audited(self, call: str, context: Context) -> AsyncIterator[_Entry]:
        """Sign the caller in, run the body, and write down what has to be."""
        entry = _Entry(call, _address(context))
        outcome = "OK"
        try:
            async with on_the_wire(context):
                await self._sign_in(call, entry, context)
                yield entry
        except grpc.aio.AbortError:
            outcome = status_name(context)
            raise
        except asyncio.CancelledError:
            outcome = "CANCELLED"
            raise
        except BaseException:
            outcome = "UNKNOWN"
            raise
        finally:
            if (call in CHANGES and outcome != "RESOURCE_EXHAUSTED") or outcome in _REFUSED:
                await self._write_down(entry, outcome)

    async def _sign_in(self, call: str, entry: _Entry, context: Context) -> None:
        if (wait := self._failures.wait(entry.origin, self._clock())) > 0:
            raise LimitError(f"too many failed sign-ins: come back in {wait:.1f} s", retry_after_s=wait)
        token = bearer_token(context)
        if not token and self._open and not await self._workers.run(self._administrators.all):
            return
        try:
            found: CredentialRecord = await self._workers.run(self._administrators.check, token)
        except AuthenticationError:
            self._failures.take(entry.origin, self._clock())
            raise
        entry.who = found.name
        if found.role < _NEEDED[call]:
            role, needed = found.role.name.lower(), _NEEDED[call].name.lower()
            raise PermissionDeniedError(f"{found.name} has the role {role}; {call} needs {needed}")

    async def _write_down(self, entry: _Entry, outcome: str) -> None:
        record = AuditRecord(
            self._now(), entry.who, entry.origin, entry.call, entry.subject[:128], entry.detail[:256], outcome
        )
        try:
            await self._workers.run(self._store.add_audit, record)
        except StorageError as error:
            # The call is over; what could not be written into the table stands in the log at least.
            _log.critical("the audit log cannot be written (%s): %s", error, record)


def _address(context: Context) -> str:
    return peer_address(context.peer())[0]
