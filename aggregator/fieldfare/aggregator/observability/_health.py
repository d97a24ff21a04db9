"""gRPC health (grpc.health.v1) and reflection: what balancers, orchestrators and people with grpcurl ask."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from fieldfare.aggregator.observability._registry import Metrics
from fieldfare.aggregator.observability._storage_health import StorageHealth
from fieldfare.core.errors import StorageError

_log = logging.getLogger("fieldfare.aggregator")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_HEALTH = "grpc.health.v1.Health"
_MOST_WATCHERS = 256


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The standard health service of one port. Streams of `Watch` end by themselves at a shutdown.

    Args:
        services: names that are asked for; "" stands for the port as a whole.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = services
        self._status = _SERVING
        self._closing = False
        self._watchers = 0
        self._changed = asyncio.Event()

    def set(self, status: "health_pb2.HealthCheckResponse.ServingStatus.ValueType", *, closing: bool = False) -> None:
        """Say this from now on; `closing` ends the streams after it was said."""
        self._status, self._closing = status, closing
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        """The present status."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return health_pb2.HealthCheckResponse(status=self._status)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The present status, and every change of it."""
        if self._watchers >= _MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch health here already")
        self._watchers += 1
        try:
            said = None
            while True:
                changed, closing = self._changed, self._closing
                known = request.service in self._services
                status = self._status if known else health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
                if status != said:
                    yield health_pb2.HealthCheckResponse(status=status)
                if closing:
                    return
                said = status
                await changed.wait()
        finally:
            self._watchers -= 1


class Health:
    """Health of all ports: SERVING unless storage has failed for long or a shutdown has begun.

    Args:
        storage: decides.
        metrics: show what was decided.
    """

    def __init__(self, storage: StorageHealth, metrics: Metrics) -> None:
        self._storage = storage
        self._metrics = metrics
        self._ports: list[HealthService] = []
        self._healthy = True

    def serve(self, server: "grpc.aio.Server", service: str) -> None:
        """Add health and reflection to a server that serves `service`, before it starts; in its event loop."""
        port = HealthService(("", service))
        health_pb2_grpc.add_HealthServicer_to_server(port, server)
        reflection.enable_server_reflection((service, _HEALTH, reflection.SERVICE_NAME), server)
        self._ports.append(port)
        self._metrics.healthy.set(1)

    async def watch(self, probe: Callable[[], Awaitable[None]], interval: timedelta) -> None:
        """Ask storage now and then, and say what follows; until cancelled.

        Args:
            probe: asks once; raises `StorageError` where storage does not answer.
            interval: between two questions, and how long an answer may take.
        """
        asking: asyncio.Future[None] | None = None
        try:
            while True:
                asking = asking or asyncio.ensure_future(probe())
                done, _ = await asyncio.wait([asking], timeout=interval.total_seconds())
                if not done:
                    # Safe: there is never a second question; this one may still be answered.
                    self._storage.failed("probe")
                    _log.error("storage does not answer: it takes too long")
                else:
                    self._answered(asking)
                    asking = None
                self._say()
                await asyncio.sleep(interval.total_seconds() if done else 0)
        finally:
            if asking is not None:
                asking.cancel()

    def stop(self) -> None:
        """NOT_SERVING from now on: a shutdown has begun."""
        for port in self._ports:
            port.set(_NOT_SERVING, closing=True)
        self._metrics.healthy.set(0)

    def _answered(self, asked: "asyncio.Future[None]") -> None:
        try:
            asked.result()
        except StorageError as error:
            self._storage.failed("probe")
            _log.error("storage does not answer: %s", error)
        else:
            self._storage.worked("probe")

    def _say(self) -> None:
        healthy = self._storage.healthy
        if healthy is self._healthy:
            return
        self._healthy = healthy
        for port in self._ports:
            port.set(_SERVING if healthy else _NOT_SERVING)
        self._metrics.healthy.set(int(healthy))
        if healthy:
            _log.warning("health is SERVING again: storage works")
        else:
            _log.error("health is NOT_SERVING: storage has failed for too long")
