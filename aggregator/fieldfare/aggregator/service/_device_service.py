"""The service that devices call."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine, Standing
from fieldfare.aggregator.service._artifacts import send_artifact
from fieldfare.aggregator.service._errors import abort, on_the_wire
from fieldfare.aggregator.service._ingest import ByteBudget, read_payload
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import UpdateError
from fieldfare.core.rounds import Ticket
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc

_log = logging.getLogger("fieldfare.aggregator")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_WITHDRAWN = {
    aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES,
    aggregator_pb2.OUTCOME_CONDITIONS,
    aggregator_pb2.OUTCOME_FAILED,
}
_OVER = "the round is over, or the time for this report"


class DeviceService(aggregator_pb2_grpc.AggregatorServicer):
    """See `aggregator.proto`.

    Args:
        engine: what is behind the wire.
        pumps: make reports durable.
        workers: threads for what blocks.
        settings: bounds and time limits.
    """

    def __init__(self, engine: Engine, pumps: Pumps, workers: Workers, settings: ServerSettings) -> None:
        self._engine = engine
        self._reports = engine.reports
        self._pumps = pumps
        self._workers = workers
        self._settings = settings
        self._budget = ByteBudget(settings.limits.max_ingest_bytes)
        self._reading = 0

    async def CheckIn(  # noqa: N802
        self, request: aggregator_pb2.CheckInRequest, context: _Context
    ) -> aggregator_pb2.CheckInResponse:
        """Work, or when to come back."""
        async with on_the_wire(context):
            return self._engine.check_in(request)
        raise AssertionError("unreachable")  # pragma: no cover

    async def FetchArtifact(  # noqa: N802
        self, request: aggregator_pb2.FetchArtifactRequest, context: _Context
    ) -> AsyncIterator[aggregator_pb2.ArtifactChunk]:
        """A plan or checkpoint of the ticket's task."""
        async with on_the_wire(context):
            async for chunk in send_artifact(self._engine, self._workers, request, request.ticket):
                yield chunk

    async def Report(  # noqa: N802
        self, request_iterator: AsyncIterator[aggregator_pb2.ReportRequest], context: _Context
    ) -> aggregator_pb2.Receipt:
        """Take a report in; the answer may come before the stream ends."""
        limit = self._settings.limits.report_time_limit + self._settings.engine.receipt_wait
        try:
            async with on_the_wire(context), asyncio.timeout(limit.total_seconds()):
                return await self._report(aiter(request_iterator), context)
        except TimeoutError:
            await abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the report took too long: send it again")
        raise AssertionError("unreachable")  # pragma: no cover

    async def _report(
        self, stream: AsyncIterator[aggregator_pb2.ReportRequest], context: _Context
    ) -> aggregator_pb2.Receipt:
        async with asyncio.timeout(self._settings.limits.chunk_time_limit.total_seconds()):
            first = await anext(stream, None)
        if first is None or first.WhichOneof("part") != "header":
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "a report begins with its header")
        header = first.header
        try:
            ticket = self._reports.read_ticket(header)
            standing = await self._standing(ticket)
            if header.receipt_only or standing is not Standing.ABSENT:
                return await self._settled(ticket, standing, asked=header.receipt_only)
            if header.outcome in _WITHDRAWN:
                self._reports.withdraw(ticket)
                self._pumps.kick(ticket.task_id.hex())
                return self._receipt(aggregator_pb2.RECEIPT_STATUS_ACCEPTED)
            if self._reading >= self._settings.limits.max_reports:
                await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many reports at once: try again")
            self._reading += 1
            try:
                return await self._take_in(ticket, header, stream)
            finally:
                self._reading -= 1
        except UpdateError as error:
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_INVALID, str(error))

    async def _take_in(
        self,
        ticket: Ticket,
        header: aggregator_pb2.ReportHeader,
        stream: AsyncIterator[aggregator_pb2.ReportRequest],
    ) -> aggregator_pb2.Receipt:
        task_id = ticket.task_id.hex()
        try:
            admission = self._reports.admit(ticket, header)
            if admission is None:
                return self._receipt(aggregator_pb2.RECEIPT_STATUS_LATE, _OVER)
            # Safe: `admit` has found the length to be that of the plan's weights.
            async with self._budget.hold(header.payload_bytes):
                try:
                    payload, digest = await read_payload(
                        stream, header.payload_bytes, chunk_time_limit=self._settings.limits.chunk_time_limit
                    )
                except UpdateError as error:
                    self._reports.refuse(admission, error)
                    raise
                added = await self._workers.run(self._reports.add, admission, payload, digest)
                del payload
        finally:
            # A report, and a refusal too, may be what the round's decision waited for.
            self._pumps.kick(task_id)
        return await self._settled(ticket, await self._standing(ticket), asked=added)

    async def _standing(self, ticket: Ticket) -> Standing:
        standing = self._reports.standing(ticket)
        if standing is Standing.UNSURE:
            standing = await self._workers.run(self._reports.standing_on_disk, ticket)
        return standing

    async def _settled(self, ticket: Ticket, standing: Standing, *, asked: bool) -> aggregator_pb2.Receipt:
        """The receipt, after a short wait for a snapshot.

        Args:
            ticket: whose report.
            standing: as it was a moment ago.
            asked: True for the device's own report or a question after it, False for a second copy.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._settings.engine.receipt_wait.total_seconds()
        for _ in itertools.count():
            # The future is taken before the look, so that no work in between goes unnoticed.
            worked = self._pumps.next_work(ticket.task_id.hex())
            standing = await self._standing(ticket)
            left = give_up - clock()
            if standing is not Standing.IN_MEMORY or worked is None or left <= 0:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(worked), left)
        if standing is Standing.COUNTED:
            accepted, duplicate = aggregator_pb2.RECEIPT_STATUS_ACCEPTED, aggregator_pb2.RECEIPT_STATUS_DUPLICATE
            return self._receipt(accepted if asked else duplicate)
        if standing is Standing.IN_MEMORY:
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_PENDING, "waiting for more reports before it is written")
        if standing is Standing.ABSENT and not self._reports.expired(ticket):
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_UNKNOWN, "this report is not here: send it again")
        return self._receipt(aggregator_pb2.RECEIPT_STATUS_LATE, _OVER)

    def _receipt(self, status: aggregator_pb2.ReceiptStatus, detail: str = "") -> aggregator_pb2.Receipt:
        after: timedelta = self._engine.come_back_after()
        return aggregator_pb2.Receipt(status=status, detail=detail, come_back_after=after)
