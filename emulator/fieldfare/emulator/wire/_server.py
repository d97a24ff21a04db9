"""The port that devices call, in a thread of this process."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

import grpc

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.listening import DEVICE_MESSAGE_BYTES, bind, grpc_server
from fieldfare.aggregator.security import Protection
from fieldfare.aggregator.service import DeviceGuard, DeviceService, Pumps, Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.aggregator.storage import SqlDatabase
from fieldfare.core.addresses import Address
from fieldfare.protos.v1 import aggregator_pb2_grpc

_ANY_PORT = Address("127.0.0.1", 0)
_THREADS = 2


class _StillPumps(Pumps):
    """Never drives a task, and so nobody waits for the next piece of work: a report is answered at once."""

    def kick(self, task_id: str) -> None:
        """The emulation looks by itself what is due, at its own time."""


class LoopbackServer:
    """The aggregator's service for devices on a free port of 127.0.0.1.

    Plain and without tokens, as `fieldfare serve` is on loopback. Nothing is begun, written or committed by itself.

    Args:
        engine: what is behind the wire.
        database: the engine's.
        settings: bounds.
        clock: emulated time.
    """

    def __init__(
        self, engine: Engine, database: SqlDatabase, settings: ServerSettings, clock: Callable[[], datetime]
    ) -> None:
        self._engine, self._settings, self._clock = engine, settings, clock
        self._protection = Protection(settings, _ANY_PORT, _ANY_PORT, database, clock)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Listen.

        Returns:
            Where, "127.0.0.1:43211".

        Raises:
            ConfigError: there is no port to be had.
        """
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._live, args=(ready,), name="fieldfare-wire", daemon=True)
        self._thread.start()
        return ready.result()

    def close(self) -> None:
        """Take no more calls, and end the thread. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    def _live(self, ready: "Future[str]") -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: "Future[str]") -> None:
        workers = Workers(_THREADS)
        pumps = _StillPumps(self._engine, workers, self._settings, self._clock)
        guard = DeviceGuard(self._protection, self._settings, lambda: self._clock().timestamp())
        server = grpc_server(self._settings, DEVICE_MESSAGE_BYTES, guard)
        service = DeviceService(self._engine, pumps, workers, self._settings, self._protection.enrollment)
        aggregator_pb2_grpc.add_AggregatorServicer_to_server(service, server)
        try:
            # A task of its own keeps whatever it raises, so that `start` can raise it in its caller's thread.
            opening = asyncio.create_task(_open(server, self._protection))
            await asyncio.wait([opening])
            if (error := opening.exception()) is not None:
                ready.set_exception(error)
                return
            ready.set_result(opening.result())
            await self._stop.wait()
            await server.stop(None)
        finally:
            workers.close()


async def _open(server: "grpc.aio.Server", protection: Protection) -> str:
    address = bind(server, _ANY_PORT, protection.credentials)
    await server.start()
    return address
