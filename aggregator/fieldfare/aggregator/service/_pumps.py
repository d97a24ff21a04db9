"""One coroutine for each active task: wakes at the round's next deadline or when a report came in, and works."""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.errors import StorageError

_log = logging.getLogger("fieldfare.aggregator")
_LONGEST_SLEEP = timedelta(minutes=1)
_GATHER_OVER_WORK = 4


class _Pump:
    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.worked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self.took_s = 0.0


class Pumps:
    """Drives the tasks. What reports arrive within a moment, or while a flush is under way, is written together.

    Args:
        engine: does the work.
        workers: the threads on which it does.
        settings: back-off after failed writes.
        clock: the present, timezone-aware.
    """

    def __init__(
        self, engine: Engine, workers: Workers, settings: ServerSettings, clock: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._settings = settings
        self._clock = clock
        self._pumps: dict[str, _Pump] = {}
        self._closed = False
        self._draining = False
        self._on_work: Callable[[], None] = _nothing

    def on_work(self, listener: Callable[[], None]) -> None:
        """Call this after each piece of work for any task, in the event loop."""
        self._on_work = listener

    def kick(self, task_id: str) -> None:
        """There is something to do for the task; a task that has just become active is taken on."""
        if self._closed:
            return
        pump = self._pumps.get(task_id)
        if pump is None:
            pump = self._pumps[task_id] = _Pump()
            # Not in the service of the call that happens to be the first: log and traces would name it for ever.
            nobody = contextvars.Context()
            loop, name = asyncio.get_running_loop(), f"pump-{task_id}"
            pump.task = loop.create_task(self._run(task_id, pump), name=name, context=nobody)
            pump.task.add_done_callback(lambda task: self._ended(task_id, pump, task), context=nobody)
        pump.wake.set()

    def next_work(self, task_id: str) -> "asyncio.Future[None] | None":
        """Done after the next piece of work for the task; None when the task is not active. Must be shielded."""
        pump = self._pumps.get(task_id)
        return None if pump is None else pump.worked

    @property
    def draining(self) -> bool:
        """Whether a shutdown has begun, so that nobody is to wait for more than one piece of work."""
        return self._draining

    def drain(self) -> None:
        """A shutdown has begun: flush what may be flushed now, for those who wait for it."""
        self._draining = True
        for pump in self._pumps.values():
            pump.wake.set()

    async def close(self) -> None:
        """Let every task flush what may be flushed, once, and stop."""
        self._closed = True
        pumps, self._pumps = self._pumps, {}
        for task_id, pump in pumps.items():
            if pump.task is None:
                continue
            pump.task.cancel()
            await asyncio.wait([pump.task])
            try:
                await self._workers.run(self._engine.work, task_id)
            except StorageError as error:
                _log.error("task=%s cannot be written at the end: %s", task_id, error)
            _finish(pump)

    async def _run(self, task_id: str, pump: _Pump) -> None:
        back_off = timedelta(0)
        while task_id in self._engine.active_tasks():
            pump.wake.clear()
            started = asyncio.get_running_loop().time()
            try:
                await self._workers.run(self._engine.work, task_id)
                back_off = timedelta(0)
            except StorageError as error:
                back_off = min(
                    max(back_off * 2, self._settings.storage.retry_first), self._settings.storage.retry_longest
                )
                _log.error("task=%s cannot be written, next try in %s: %s", task_id, back_off, error)
            pump.took_s = asyncio.get_running_loop().time() - started
            self._on_work()
            _finish(pump)
            pump.worked = asyncio.get_running_loop().create_future()
            if back_off:
                await asyncio.sleep(back_off.total_seconds())
            else:
                await self._sleep(task_id, pump)

    def _ended(self, task_id: str, pump: _Pump, task: asyncio.Task[None]) -> None:
        """The task is not active any more; or there is a bug, and the next call makes a new start."""
        self._on_work()
        _finish(pump)
        if self._pumps.get(task_id) is pump:
            del self._pumps[task_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("task=%s stopped working: this is a bug", task_id, exc_info=error)

    async def _sleep(self, task_id: str, pump: _Pump) -> None:
        deadline = self._engine.next_deadline(task_id)
        left = _LONGEST_SLEEP if deadline is None else min(deadline - self._clock(), _LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            # Safe: a millisecond more than asked for, or timers that wake early would make this spin.
            await asyncio.wait_for(pump.wake.wait(), max(left.total_seconds(), 0.0) + 0.001)
            await self._gather(task_id, pump)

    async def _gather(self, task_id: str, pump: _Pump) -> None:
        """Something came in: let more come, for a snapshot costs the same for one report as for many."""
        settings = self._settings.engine
        # Where writing is slow, it is done less often, lest reports that come in wait for it most of the time.
        patience_s = min(_GATHER_OVER_WORK * pump.took_s, settings.receipt_wait.total_seconds() / 2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(settings.gather.total_seconds(), patience_s)):
                while not self._engine.is_urgent(task_id):
                    pump.wake.clear()
                    await pump.wake.wait()


def _nothing() -> None:
    """Nobody listens."""


def _finish(pump: _Pump) -> None:
    if not pump.worked.done():
        pump.worked.set_result(None)
