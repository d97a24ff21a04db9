"""The service that devices call."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.security import Enrollment
from fieldfare.aggregator.service._artifacts import send_artifact
from fieldfare.aggregator.service._check_ins import CheckIns
from fieldfare.aggregator.service._errors import on_the_wire
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._reporting import Reporting
from fieldfare.aggregator.service._uncopied import RecentChunks
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class DeviceService(aggregator_pb2_grpc.AggregatorServicer):
    """See `aggregator.proto`.

    Args:
        engine: what is behind the wire.
        pumps: make reports durable.
        workers: threads for what blocks.
        settings: bounds and time limits.
        enrollment: knows devices.

    Attributes:
        check_ins: answers check-ins, some of them later.
    """

    def __init__(
        self, engine: Engine, pumps: Pumps, workers: Workers, settings: ServerSettings, enrollment: Enrollment
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._recent = RecentChunks()
        self._enrollment = enrollment
        self._reporting = Reporting(engine, pumps, workers, settings)
        self.check_ins = CheckIns(engine, settings)
        pumps.on_work(self.check_ins.serve)

    async def CheckIn(  # noqa: N802
        self, request: aggregator_pb2.CheckInRequest, context: _Context
    ) -> aggregator_pb2.CheckInResponse:
        """Work, or when to come back."""
        async with on_the_wire(context):
            return await self.check_ins.answer(request, context)
        raise AssertionError("unreachable")  # pragma: no cover

    async def Enroll(  # noqa: N802
        self, request: aggregator_pb2.EnrollRequest, context: _Context
    ) -> aggregator_pb2.AccessToken:
        """A new device's first access token."""
        async with on_the_wire(context):
            return await self._workers.run(self._enrollment.enroll, request)
        raise AssertionError("unreachable")  # pragma: no cover

    async def RefreshToken(  # noqa: N802
        self, request: aggregator_pb2.RefreshTokenRequest, context: _Context
    ) -> aggregator_pb2.AccessToken:
        """An enrolled device's next access token."""
        async with on_the_wire(context):
            return await self._workers.run(self._enrollment.refresh, request)
        raise AssertionError("unreachable")  # pragma: no cover

    async def FetchArtifact(  # noqa: N802
        self, request: aggregator_pb2.FetchArtifactRequest, context: _Context
    ) -> AsyncIterator[Any]:  # `EncodedChunk`, which `Uncopied` writes
        """A plan or checkpoint of the ticket's task."""
        async with on_the_wire(context):
            async for chunk in send_artifact(self._engine, self._workers, self._recent, request, request.ticket):
                yield chunk

    async def Report(  # noqa: N802
        self, request_iterator: AsyncIterator[aggregator_pb2.ReportRequest], context: _Context
    ) -> aggregator_pb2.Receipt:
        """Take a report in; the answer may come before the stream ends."""
        return await self._reporting.take(aiter(request_iterator), context)
