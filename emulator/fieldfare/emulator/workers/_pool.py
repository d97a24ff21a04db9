"""Worker processes of this machine."""

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from fieldfare.emulator.workers._device_worker import WorkerSettings
from fieldfare.emulator.workers._orders import Done, Order, WorkersError
from fieldfare.emulator.workers._process import Result, run_worker
from fieldfare.emulator.workers._queue import TRIES, OrderQueue
from fieldfare.emulator.workers._slots import Slots

# One order under work, and one that waits for it to be done, so that no worker waits for this process.
_AHEAD = 2
_END_S = 10.0
_MOST_SHARED_BYTES = 2**28


@dataclass(slots=True)
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    under_way: deque[tuple[Order, int | None]] = field(default_factory=deque)


class ProcessPool:
    """Deals orders out to processes; see `Workers`. A context manager.

    A process that is killed is replaced, and its orders are carried out again.

    Args:
        settings: what every worker is told.
        workers: how many processes.
        update_bytes: length of an encoded update.
        results: that wait to be taken, as a rule; those and what is under work find room in shared memory, the others
            come through pipes.
        log: file to which the workers' standard error is appended.
    """

    def __init__(self, settings: WorkerSettings, workers: int, update_bytes: int, results: int, log: Path) -> None:
        self._settings, self._log = settings, log
        self._queue = OrderQueue()
        self._done: dict[int, Result] = {}
        wanted = results + _AHEAD * workers
        self._slots = Slots(min(wanted, _MOST_SHARED_BYTES // max(1, update_bytes)), update_bytes)
        self._workers = [self._start() for _ in range(workers)]

    def put(self, order: Order, priority: float) -> None:
        """See `Workers.put`."""
        self._queue.put(order, priority)
        self._deal()

    @contextlib.contextmanager
    def take(self, number: int) -> Iterator[Done]:
        """See `Workers.take`."""
        while number not in self._done:
            self._hear()
        result = self._done.pop(number)
        try:
            if result.slot is None:
                yield result.done
            else:
                yield result.done.with_payload(self._slots.view(result.slot, result.nbytes))
        finally:
            self._slots.give_back(result.slot)

    def drop(self, number: int) -> None:
        """See `Workers.drop`."""
        result = self._done.pop(number, None)
        if result is None:
            self._queue.drop(number)
        else:
            self._slots.give_back(result.slot)

    def close(self) -> None:
        """End the processes. May be called twice."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(_END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        if self._workers:
            self._slots.close()
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
        # What is handed over with the process's arguments is pickled while it starts, as descriptors must be.
        arguments = (self._settings, theirs, self._slots, self._log)
        process = context.Process(target=run_worker, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _deal(self) -> None:
        if not self._queue:
            return
        for worker in sorted(self._workers, key=lambda one: len(one.under_way)):
            while len(worker.under_way) < _AHEAD and (order := self._queue.next()) is not None:
                slot = self._slots.take()
                worker.under_way.append((order, slot))
                # Safe: whoever has ended is noticed when its answer is waited for.
                with contextlib.suppress(OSError):
                    worker.pipe.send((order, slot))

    def _hear(self) -> None:
        """Wait until a worker has something to say."""
        self._deal()
        by_pipe = {worker.pipe: worker for worker in self._workers if worker.under_way}
        for pipe in connection.wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                result: Result = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
                continue
            self._keep(worker, result)
        self._deal()

    def _keep(self, worker: _Worker, result: Result) -> None:
        _, slot = worker.under_way.popleft()
        wanted = self._queue.is_wanted(result.done.number)
        if wanted:
            self._done[result.done.number] = result
        if result.slot is None or not wanted:
            self._slots.give_back(slot)

    def _replace(self, worker: _Worker) -> None:
        """The process has ended: another one takes its place and its orders."""
        worker.pipe.close()
        worker.process.join()
        for place, (order, slot) in enumerate(worker.under_way):
            self._slots.give_back(slot)
            if not self._queue.again(order, begun=place == 0):
                code = worker.process.exitcode
                raise WorkersError(
                    f"{TRIES} worker processes have ended over the same device, the last with exit code {code}: "
                    f"{self._log} may tell why"
                )
        self._workers[self._workers.index(worker)] = self._start()
