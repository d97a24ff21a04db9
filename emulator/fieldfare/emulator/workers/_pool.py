"""Worker processes of this machine."""

import contextlib
import heapq
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from fieldfare.core.errors import FieldfareError
from fieldfare.emulator.workers._device_worker import DeviceWorker, Done, Order, WorkerSettings

# One order under work, and one that waits for it to be done, so that no worker waits for this process.
_AHEAD = 2
_TRIES = 3
_END_S = 10.0


class WorkersError(FieldfareError):
    """Worker processes end again and again; says how."""


@dataclass(slots=True)
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    under_way: deque[Order] = field(default_factory=deque)


class ProcessPool:
    """Deals orders out to processes. A process that is killed is replaced, and its orders are carried out again.

    Args:
        settings: what every worker is told.
        workers: how many processes.
        log: file to which the workers' standard error is appended.
    """

    def __init__(self, settings: WorkerSettings, workers: int, log: Path) -> None:
        self._settings, self._log = settings, log
        self._waiting: list[tuple[float, int, Order]] = []
        self._dropped: set[int] = set()
        self._done: dict[int, Done] = {}
        self._lost: dict[int, int] = {}
        self._workers = [self._start() for _ in range(workers)]

    def put(self, order: Order, priority: float) -> None:
        """Take an order in.

        Args:
            order: what to do.
            priority: those with the smallest number first.
        """
        heapq.heappush(self._waiting, (priority, order.number, order))
        self._deal()

    def take(self, number: int) -> Done:
        """Wait for the result of an order that was put, and was not dropped.

        Raises:
            WorkersError: the processes that tried have ended on their own.
        """
        while number not in self._done:
            self._hear()
        return self._done.pop(number)

    def drop(self, number: int) -> None:
        """The order's result is not wanted any more; it is not begun, if it is not begun yet."""
        if self._done.pop(number, None) is None:
            self._dropped.add(number)

    def settle(self, counted: Mapping[int, bool]) -> None:
        """See `DeviceWorker.settle`; returns once all workers have done it."""
        for worker in self._workers:
            while worker.under_way:
                self._hear()
        for worker in self._workers:
            worker.pipe.send(dict(counted))
        for worker in self._workers:
            worker.pipe.recv()

    def close(self) -> None:
        """End the processes. May be called twice."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(_END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=run_worker, args=(self._settings, theirs, self._log), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _deal(self) -> None:
        for worker in sorted(self._workers, key=lambda one: len(one.under_way)):
            while self._waiting and len(worker.under_way) < _AHEAD:
                _, number, order = heapq.heappop(self._waiting)
                if number in self._dropped:
                    self._dropped.discard(number)
                    continue
                worker.under_way.append(order)
                # Safe: whoever has ended is noticed when its answer is waited for.
                with contextlib.suppress(OSError):
                    worker.pipe.send(order)

    def _hear(self) -> None:
        """Wait until a worker has something to say."""
        self._deal()
        by_pipe = {worker.pipe: worker for worker in self._workers if worker.under_way}
        for pipe in connection.wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                done: Done = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
                continue
            worker.under_way.popleft()
            if done.number in self._dropped:
                self._dropped.discard(done.number)
            else:
                self._done[done.number] = done
        self._deal()

    def _replace(self, worker: _Worker) -> None:
        """The process has ended: another one takes its place and its orders."""
        worker.pipe.close()
        worker.process.join()
        for order in worker.under_way:
            self._lost[order.number] = self._lost.get(order.number, 0) + 1
            if self._lost[order.number] >= _TRIES:
                code = worker.process.exitcode
                raise WorkersError(
                    f"{_TRIES} worker processes have ended over the same device, the last with exit code {code}: "
                    f"{self._log} may tell why"
                )
            heapq.heappush(self._waiting, (-1.0, order.number, order))
        self._workers[self._workers.index(worker)] = self._start()


def run_worker(settings: WorkerSettings, pipe: Connection, log: Path) -> None:
    """Carry out orders until the other end of the pipe is closed, or gone with its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with log.open("ab") as target:
        os.dup2(target.fileno(), sys.stderr.fileno())
    worker = DeviceWorker(settings)
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        if isinstance(order, Order):
            pipe.send(worker.carry_out(order))
        else:
            worker.settle(order)
            pipe.send(None)
