"""The service that engineers and operators call."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine, Incoming
from fieldfare.aggregator.security import Protection
from fieldfare.aggregator.service._artifacts import send_artifact
from fieldfare.aggregator.service._errors import on_the_wire
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._records import audit_to_proto, device_to_proto, page_size, read_validity
from fieldfare.aggregator.service._uncopied import RecentChunks
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import ConfigError, ProtocolError
from fieldfare.core.tasks import TaskAction
from fieldfare.protos.v1 import admin_pb2, admin_pb2_grpc, aggregator_pb2, task_pb2

_log = logging.getLogger("fieldfare.aggregator")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AdminService(admin_pb2_grpc.AdminServicer):
    """See `admin.proto`.

    Args:
        engine: what is behind the wire.
        pumps: take on new tasks.
        workers: threads for what blocks.
        settings: bounds.
        incoming: folder for submissions that are under way.
        protection: knows devices, publishers and the audit log.
    """

    def __init__(
        self,
        engine: Engine,
        pumps: Pumps,
        workers: Workers,
        settings: ServerSettings,
        incoming: Path,
        protection: Protection,
    ) -> None:
        self._engine = engine
        self._pumps = pumps
        self._workers = workers
        self._recent = RecentChunks()
        self._settings = settings
        self._incoming = incoming
        self._protection = protection
        self._enrollment = protection.enrollment

    async def SubmitTask(  # noqa: N802
        self, request_iterator: AsyncIterator[admin_pb2.SubmitTaskRequest], context: _Context
    ) -> task_pb2.TaskStatus:
        """A new task, which runs at once."""
        async with on_the_wire(context):
            return await self._receive(aiter(request_iterator))
        raise AssertionError("unreachable")  # pragma: no cover

    async def ListTasks(  # noqa: N802
        self, request: admin_pb2.ListTasksRequest, context: _Context
    ) -> admin_pb2.ListTasksResponse:
        """All tasks of a population, or of all."""
        async with on_the_wire(context):
            tasks = await self._workers.run(self._engine.list_tasks, request.population)
            return admin_pb2.ListTasksResponse(tasks=tasks)
        raise AssertionError("unreachable")  # pragma: no cover

    async def GetTask(self, request: admin_pb2.GetTaskRequest, context: _Context) -> task_pb2.TaskStatus:  # noqa: N802
        """One task, with its rounds where they are asked for."""
        async with on_the_wire(context):
            after = request.rounds_after if request.HasField("rounds_after") else None
            return await self._workers.run(self._engine.get_task, request.task, after)
        raise AssertionError("unreachable")  # pragma: no cover

    async def ControlTask(  # noqa: N802
        self, request: admin_pb2.ControlTaskRequest, context: _Context
    ) -> task_pb2.TaskStatus:
        """Pause, resume, cancel."""
        async with on_the_wire(context):
            try:
                action = TaskAction(request.action)
            except ValueError as error:
                raise ConfigError(f"there is no action {request.action}", field="action") from error
            status = await self._workers.run(self._engine.control, request.task, action)
            self._pumps.kick(status.task_id)
            return status
        raise AssertionError("unreachable")  # pragma: no cover

    async def FetchArtifact(  # noqa: N802
        self, request: aggregator_pb2.FetchArtifactRequest, context: _Context
    ) -> AsyncIterator[Any]:  # `EncodedChunk`, which `Uncopied` writes
        """Any plan or checkpoint."""
        async with on_the_wire(context):
            async for chunk in send_artifact(self._engine, self._workers, self._recent, request, None):
                yield chunk

    async def CreateEnrollmentKeys(  # noqa: N802
        self, request: admin_pb2.CreateEnrollmentKeysRequest, context: _Context
    ) -> admin_pb2.CreateEnrollmentKeysResponse:
        """One-time keys, shown here and never again."""
        async with on_the_wire(context):
            keys = await self._workers.run(
                self._enrollment.create_keys, request.population, request.count, read_validity(request.valid_for)
            )
            return admin_pb2.CreateEnrollmentKeysResponse(keys=keys)
        raise AssertionError("unreachable")  # pragma: no cover

    async def ListDevices(  # noqa: N802
        self, request: admin_pb2.ListDevicesRequest, context: _Context
    ) -> admin_pb2.ListDevicesResponse:
        """Enrolled devices, a page at a time."""
        async with on_the_wire(context):
            limit = page_size(request.limit, default=1000)
            found = await self._workers.run(self._enrollment.devices, request.population, request.after, limit)
            return admin_pb2.ListDevicesResponse(devices=[device_to_proto(one) for one in found])
        raise AssertionError("unreachable")  # pragma: no cover

    async def RevokeDevice(  # noqa: N802
        self, request: admin_pb2.RevokeDeviceRequest, context: _Context
    ) -> admin_pb2.Device:
        """End a device's tokens."""
        async with on_the_wire(context):
            return device_to_proto(await self._workers.run(self._enrollment.revoke, request.device_id))
        raise AssertionError("unreachable")  # pragma: no cover

    async def ListAuditRecords(  # noqa: N802
        self, request: admin_pb2.ListAuditRecordsRequest, context: _Context
    ) -> admin_pb2.ListAuditRecordsResponse:
        """What administrators did, a page at a time."""
        async with on_the_wire(context):
            found = await self._workers.run(
                self._protection.store.audit, request.before, page_size(request.limit, default=100)
            )
            return admin_pb2.ListAuditRecordsResponse(records=[audit_to_proto(one) for one in found])
        raise AssertionError("unreachable")  # pragma: no cover

    async def _receive(self, stream: AsyncIterator[admin_pb2.SubmitTaskRequest]) -> task_pb2.TaskStatus:
        first = await anext(stream, None)
        if first is None or first.WhichOneof("part") != "header":
            raise ProtocolError("a submission begins with its header")
        limit, publishers = self._settings.limits.max_artifact_bytes, self._protection.publishers
        with Incoming(self._incoming, first.header, max_artifact_bytes=limit, publishers=publishers) as incoming:
            async for part in stream:
                if part.WhichOneof("part") != "data":
                    raise ProtocolError("after its header, a submission consists of data")
                await self._workers.run(incoming.write, part.data)
            submission = asyncio.create_task(self._submit(incoming))
            try:
                return await asyncio.shield(submission)
            finally:
                # A caller that hangs up does not stop the thread, which still reads the received files.
                await asyncio.wait([submission])

    async def _submit(self, incoming: Incoming) -> task_pb2.TaskStatus:
        try:
            return await self._workers.run(self._engine.submit, incoming)
        finally:
            # A task that was taken on is driven, whatever failed after that and whether or not anybody waits.
            for task_id in self._engine.active_tasks():
                self._pumps.kick(task_id)
