"""`Aggregator`: storage, engine and services together, with a thread and an event loop of their own."""

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import grpc

from fieldfare.aggregator.engine import Engine, Event
from fieldfare.aggregator.listening import ADMIN_MESSAGE_BYTES, DEVICE_MESSAGE_BYTES, bind, grpc_server
from fieldfare.aggregator.observability import Observability
from fieldfare.aggregator.security import Protection, check_posture
from fieldfare.aggregator.service import (
    AdminGuard,
    AdminService,
    CheckIns,
    DeviceGuard,
    DeviceService,
    Pumps,
    Workers,
    look_around,
    watch_revocations,
)
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.aggregator.storage import BlobStore, DamagedError, Database, StateFolder
from fieldfare.aggregator.stores import open_stores
from fieldfare.core.addresses import Address, parse_address
from fieldfare.core.errors import StateError
from fieldfare.protos.v1 import admin_pb2_grpc, aggregator_pb2_grpc

__all__ = ["Aggregator"]

_log = logging.getLogger("fieldfare.aggregator")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ignore(_: Event) -> None:
    """Nobody listens."""


class Aggregator:
    """An aggregator on one machine. A context manager, or `start()` and `close()`.

    Args:
        state: folder that holds everything; made if it is not there, used by one aggregator at a time.
        listen: where devices call, "HOST:PORT"; port 0 takes a free one. Beyond loopback only with TLS.
        admin_listen: where `AdminClient` calls. Beyond loopback only with TLS and credentials.
        settings: bounds and time limits.
        on_event: told of every round that ended and of every change of a task, once that is on disk. Called from a
            worker thread, for one event at a time and in their order, with no lock held: it may use `AdminClient`, for
            example to cancel the task. It should return soon, since the task waits for it, and must not call `close`.
            What it raises is logged and changes nothing.
        clock: the present, timezone-aware.
        uniform: random numbers in [0, 1), for jitter.

    Attributes:
        warnings: what is not protected, known after the start; each begins with "insecure:".

    Raises:
        ConfigError: an address that cannot be used, or that other machines reach without protection.
    """

    def __init__(
        self,
        state: Path | str,
        listen: str = "127.0.0.1:0",
        admin_listen: str = "127.0.0.1:0",
        settings: ServerSettings | None = None,
        *,
        on_event: Callable[[Event], None] = _ignore,
        clock: Callable[[], datetime] = _utc_now,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._state = Path(state)
        self._settings = settings or ServerSettings()
        self._listen = parse_address(listen, field="listen", lowest_port=0)
        self._admin_listen = parse_address(admin_listen, field="admin_listen", lowest_port=0)
        # What the settings alone forbid, they forbid before anything is opened.
        check_posture(self._settings.security, self._listen, self._admin_listen, any_credential=True)
        self.warnings: tuple[str, ...] = ()
        self._on_event = on_event
        self._clock = clock
        self._uniform = uniform
        self._running: _Running | None = None
        self._metrics_address = ""

    @property
    def address(self) -> str:
        """Where devices call, "127.0.0.1:43211".

        Raises:
            StateError: it is not running.
        """
        return self._run().addresses[0]

    @property
    def admin_address(self) -> str:
        """Where `AdminClient` calls.

        Raises:
            StateError: it is not running.
        """
        return self._run().addresses[1]

    @property
    def metrics_address(self) -> str:
        """Where Prometheus fetches, "127.0.0.1:8472"; empty where `observability.metrics_listen` is not set.

        Raises:
            StateError: it is not running.
        """
        self._run()
        return self._metrics_address

    @property
    def waiting(self) -> int:
        """Check-ins that are held open at this moment.

        Raises:
            StateError: it is not running.
        """
        return self._run().waiting

    def start(self) -> None:
        """Open the state folder, take up what was running, and listen. Returns when both ports answer.

        Raises:
            ConfigError: a port that is taken, a certificate that cannot be read.
            StorageError: a state folder that cannot be used.
            StateError: it is running already.
        """
        if self._running is not None:
            raise StateError("the aggregator is running already")
        with contextlib.ExitStack() as undo:
            folder = undo.enter_context(StateFolder(self._state))
            observability = Observability(self._settings.observability, self._settings.storage)
            undo.callback(observability.close)
            stores = undo.enter_context(open_stores(folder, self._settings.storage))
            database, blobs = stores.database, stores.blobs
            protection = Protection(self._settings, self._listen, self._admin_listen, database, self._clock)

            def told(event: Event) -> None:
                observability.telemetry.event(event)
                self._on_event(event)

            engine = Engine(
                observability.timed(database, "database"),
                observability.timed(blobs, "blobs"),
                self._settings,
                clock=self._clock,
                uniform=self._uniform,
                observer=told,
                telemetry=observability.telemetry,
                replica=stores.replica,
                scratch=folder.incoming,
            )
            engine.start()
            running = _Running(folder, database, blobs, engine, observability, protection, self._settings, self._clock)
            self._metrics_address = undo.enter_context(observability.endpoint(engine, lambda: running.waiting))
            running.start(self._listen, self._admin_listen)
            running.resources = undo.pop_all()
        self.warnings = protection.posture.warnings
        self._running = running
        for warning in self.warnings:
            _log.warning("%s", warning)
        _log.info("listening for devices on %s, for administration on %s", *running.addresses)

    def close(self) -> None:
        """Take no new calls, finish reports in progress, flush what may be flushed, and release the state folder."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> "Aggregator":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> "_Running":
        if self._running is None:
            raise StateError("the aggregator is not running")
        return self._running


class _Running:
    """The part of an aggregator that lives between start and close."""

    def __init__(
        self,
        folder: StateFolder,
        database: Database,
        blobs: BlobStore,
        engine: Engine,
        observability: Observability,
        protection: Protection,
        settings: ServerSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._database = database
        self._blobs = blobs
        self._engine = engine
        self._observability = observability
        self._protection = protection
        self._settings = settings
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None
        self.check_ins: CheckIns | None = None
        self.addresses = ("", "")
        self.resources = contextlib.ExitStack()

    @property
    def waiting(self) -> int:
        """Check-ins that are held open."""
        return 0 if self.check_ins is None else self.check_ins.waiting

    def start(self, listen: Address, admin_listen: Address) -> None:
        ready: Future[tuple[str, str]] = Future()

        def live() -> None:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(ready, listen, admin_listen))

        self._thread = threading.Thread(target=live, name="fieldfare-aggregator", daemon=True)
        self._thread.start()
        if (error := ready.exception()) is not None:
            self._thread.join()
            raise error
        self.addresses = ready.result()

    def stop(self) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self.resources.close()

    async def _serve(self, ready: "Future[tuple[str, str]]", listen: Address, admin_listen: Address) -> None:
        workers = Workers()
        pumps = Pumps(self._engine, workers, self._settings, self._clock)
        protection = self._protection
        watcher = self._observability.watcher(protection.ticket_key)
        guard = DeviceGuard(protection, self._settings, time.monotonic)
        devices = grpc_server(self._settings, DEVICE_MESSAGE_BYTES, watcher, guard)
        admin_guard = AdminGuard(protection, workers, self._settings, now=self._clock, clock=time.monotonic)
        admin = grpc_server(self._settings, ADMIN_MESSAGE_BYTES, watcher, admin_guard)
        device_service = DeviceService(self._engine, pumps, workers, self._settings, protection.enrollment)
        self.check_ins = device_service.check_ins
        incoming = self._folder.incoming
        admin_service = AdminService(self._engine, pumps, workers, self._settings, incoming, protection)
        aggregator_pb2_grpc.add_AggregatorServicer_to_server(device_service, devices)
        admin_pb2_grpc.add_AdminServicer_to_server(admin_service, admin)
        health = self._observability.health
        health.serve(devices, "fieldfare.protos.v1.Aggregator")
        health.serve(admin, "fieldfare.protos.v1.Admin")
        # A task of its own keeps whatever it raises, so that `start` can raise it in its caller's thread.
        ports = ((devices, listen, protection.credentials), (admin, admin_listen, protection.admin_credentials))
        opening = asyncio.create_task(_open(*ports))
        await asyncio.wait([opening])
        if (error := opening.exception()) is not None:
            workers.close()
            ready.set_exception(error)
            return
        for task_id in self._engine.active_tasks():
            pumps.kick(task_id)
        every = self._settings.security.revocation_poll
        watch = asyncio.create_task(watch_revocations(protection.enrollment, workers, every))
        looking = None
        if self._settings.storage.database is not None:
            looking = asyncio.create_task(look_around(self._engine, pumps, workers, self._settings.storage))
        ready.set_result(opening.result())
        probing = asyncio.create_task(
            health.watch(lambda: workers.run(self._probe), self._settings.observability.probe_interval)
        )
        await self._stop.wait()
        probing.cancel()
        if looking is not None:
            looking.cancel()
        health.stop()
        watch.cancel()
        grace = self._settings.limits.shutdown_grace.total_seconds()
        # From here on new calls are refused; those who wait in one are answered, and the others finish.
        stopping = [asyncio.ensure_future(one.stop(grace)) for one in (devices, admin)]
        await asyncio.sleep(0)
        self.check_ins.close()
        pumps.drain()
        await asyncio.gather(*stopping)
        await pumps.close()
        workers.close()

    def _probe(self) -> None:
        """Whether storage answers at all."""
        self._database.ticket_key()
        # Safe: no blob has this name; a store that knows so is there.
        with contextlib.suppress(DamagedError):
            self._blobs.read("probe", 0, 1)


_Port: TypeAlias = "tuple[grpc.aio.Server, Address, grpc.ServerCredentials | None]"


async def _open(devices: _Port, admin: _Port) -> tuple[str, str]:
    """Both ports or none: where the second cannot be had, the first is free again."""
    address = bind(*devices)
    # What is not started cannot be stopped, and would keep its port. Safe: no device knows the address yet.
    await devices[0].start()
    try:
        admin_address = bind(*admin)
        await admin[0].start()
    except BaseException:
        await devices[0].stop(None)
        raise
    return address, admin_address
