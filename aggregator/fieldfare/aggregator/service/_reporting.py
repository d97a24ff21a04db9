"""Reports over gRPC: from the stream to the receipt."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine, Standing
from fieldfare.aggregator.service._errors import abort, on_the_wire
from fieldfare.aggregator.service._ingest import ByteBudget, read_payload
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import UpdateError
from fieldfare.core.rounds import Ticket
from fieldfare.protos.v1 import aggregator_pb2

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Stream: TypeAlias = AsyncIterator[aggregator_pb2.ReportRequest]
_WITHDRAWN = {
    aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES,
    aggregator_pb2.OUTCOME_CONDITIONS,
    aggregator_pb2.OUTCOME_FAILED,
}
_PENDING = {
    Standing.IN_MEMORY: "waiting for more reports before it is written",
    Standing.WAITING: "waiting for the next round, in which it may count",
}
_OVER = "the round is over, or the time for this report"
_ON_ITS_WAY_S = 2.0


class Reporting:
    """Takes reports in, and answers with receipts.

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
        self._asking = 0

    async def take(self, stream: _Stream, context: _Context) -> aggregator_pb2.Receipt:
        """Read a report, or the question after one; the answer may come before the stream ends."""
        engine = self._settings.engine
        limit = self._settings.limits.report_time_limit + max(engine.receipt_wait, engine.longest_wait)
        try:
            async with on_the_wire(context), asyncio.timeout(limit.total_seconds()) as bound:
                return await self._report(stream, context, bound)
        except TimeoutError:
            await abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the report took too long: send it again")
        raise AssertionError("unreachable")  # pragma: no cover

    async def _report(self, stream: _Stream, context: _Context, bound: asyncio.Timeout) -> aggregator_pb2.Receipt:
        async with asyncio.timeout(self._settings.limits.chunk_time_limit.total_seconds()):
            first = await anext(stream, None)
        if first is None or first.WhichOneof("part") != "header":
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "a report begins with its header")
        header = first.header
        try:
            ticket = self._reports.read_ticket(header)
        except UpdateError as error:
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_INVALID, "", str(error), error.reason)
        receipt = await self._answered(ticket, header, stream, context, bound)
        late = receipt.status == aggregator_pb2.RECEIPT_STATUS_LATE
        if not header.receipt_only and (late or receipt.status == aggregator_pb2.RECEIPT_STATUS_DUPLICATE):
            self._reports.count_stray(ticket, late=late)
            self._pumps.kick(ticket.task_id.hex())
        return receipt

    async def _answered(
        self,
        ticket: Ticket,
        header: aggregator_pb2.ReportHeader,
        stream: _Stream,
        context: _Context,
        bound: asyncio.Timeout,
    ) -> aggregator_pb2.Receipt:
        try:
            standing = await self._standing(ticket)
            if header.receipt_only:
                return await self._asked(ticket, standing, context)
            if standing is not Standing.ABSENT:
                return await self._settled(ticket, standing, own=False, wait_s=self._receipt_wait_s)
            if header.outcome in _WITHDRAWN:
                self._reports.withdraw(ticket)
                self._pumps.kick(ticket.task_id.hex())
                # Safe: no population, so that a device with nothing to offer stays away for a while.
                return self._receipt(aggregator_pb2.RECEIPT_STATUS_ACCEPTED, "")
            if self._reading >= self._settings.limits.max_reports:
                await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many reports at once: try again")
            self._reading += 1
            try:
                return await self._take_in(ticket, header, stream, bound)
            finally:
                self._reading -= 1
        except UpdateError as error:
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_INVALID, "", str(error), error.reason)

    async def _take_in(
        self, ticket: Ticket, header: aggregator_pb2.ReportHeader, stream: _Stream, bound: asyncio.Timeout
    ) -> aggregator_pb2.Receipt:
        task_id = ticket.task_id.hex()
        try:
            admission = self._reports.admit(ticket, header)
            if admission is None:
                return await self._settled(ticket, Standing.GONE, own=True, wait_s=0)
            # Safe: `admit` has found the length to be that of the plan's weights.
            if (until := bound.when()) is not None:
                bound.reschedule(until + header.payload_bytes / self._settings.limits.report_bytes_per_s)
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
        return await self._settled(ticket, await self._standing(ticket), own=added, wait_s=self._receipt_wait_s)

    async def _asked(self, ticket: Ticket, standing: Standing, context: _Context) -> aggregator_pb2.Receipt:
        """The answer to a question after a pending receipt: held open for long, where there is room."""
        wait_s = self._receipt_wait_s
        if self._asking < self._settings.engine.max_waiting:
            longest_s = self._settings.engine.longest_wait.total_seconds()
            left_s = (context.time_remaining() or 0.0) - _ON_ITS_WAY_S
            wait_s = max(min(longest_s, left_s), wait_s)
        self._asking += 1
        try:
            return await self._settled(ticket, standing, own=True, wait_s=wait_s)
        finally:
            self._asking -= 1

    async def _standing(self, ticket: Ticket) -> Standing:
        standing = self._reports.standing(ticket)
        if standing is Standing.UNSURE:
            standing = await self._workers.run(self._reports.standing_on_disk, ticket)
        return standing

    async def _settled(self, ticket: Ticket, standing: Standing, *, own: bool, wait_s: float) -> aggregator_pb2.Receipt:
        """The receipt, after a wait for a snapshot.

        Args:
            ticket: whose report.
            standing: as it was a moment ago.
            own: True for the device's own report or a question after it, False for a second copy.
            wait_s: how long to wait.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + wait_s
        for looks in itertools.count():
            # The future is taken before the look, so that no work in between goes unnoticed.
            worked = self._pumps.next_work(ticket.task_id.hex())
            standing = await self._standing(ticket)
            draining = self._pumps.draining
            left = min(give_up - clock(), self._receipt_wait_s if draining else wait_s)
            if standing not in _PENDING or worked is None or left <= 0 or (draining and looks):
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(worked), left)
        population = self._engine.population_of(ticket)
        if standing is Standing.COUNTED:
            accepted, duplicate = aggregator_pb2.RECEIPT_STATUS_ACCEPTED, aggregator_pb2.RECEIPT_STATUS_DUPLICATE
            return self._receipt(accepted if own else duplicate, population)
        if standing in _PENDING and not (standing is Standing.WAITING and self._reports.expired(ticket)):
            detail = _PENDING[standing]
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_PENDING, population, detail)
        if standing is Standing.ABSENT and not self._reports.expired(ticket):
            detail = "this report is not here: send it again"
            return self._receipt(aggregator_pb2.RECEIPT_STATUS_UNKNOWN, population, detail)
        return self._receipt(aggregator_pb2.RECEIPT_STATUS_LATE, population, _OVER)

    @property
    def _receipt_wait_s(self) -> float:
        return self._settings.engine.receipt_wait.total_seconds()

    def _receipt(
        self, status: aggregator_pb2.ReceiptStatus, population: str, detail: str = "", reason: str = ""
    ) -> aggregator_pb2.Receipt:
        after = self._engine.come_back_after(population)
        return aggregator_pb2.Receipt(status=status, detail=detail, come_back_after=after, reason=reason)
