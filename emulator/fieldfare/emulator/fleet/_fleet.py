"""Starts, watches and ends the worker processes."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from types import TracebackType

from fieldfare.core.errors import ConfigError, FieldfareError
from fieldfare.emulator.fleet._device import VirtualDevice
from fieldfare.emulator.fleet._worker import run_worker

_STOP_S = 20.0


class FleetError(FieldfareError):
    """A worker process ended on its own."""


class Fleet:
    """Runs devices against an aggregator over gRPC until it is closed.

    The devices are dealt out over `processes` worker processes and run as threads there. Workers start afresh
    (spawn), ignore Ctrl-C, and end by themselves when this process is gone.

    Args:
        devices: who takes part.
        aggregator: "host:port" of the device service.
        population: what the devices check in for.
        processes: worker processes; at least 1, no more than devices are used.
        log: file to which the workers' standard error is appended; default: this process's standard error.

    Raises:
        ConfigError: no devices, or no processes.
    """

    def __init__(
        self,
        devices: Sequence[VirtualDevice],
        *,
        aggregator: str,
        population: str,
        processes: int = 2,
        log: Path | None = None,
    ) -> None:
        if not devices or processes < 1:
            raise ConfigError("a fleet needs at least one device and one process")
        context = multiprocessing.get_context("spawn")
        shares = [tuple(devices[start::processes]) for start in range(min(processes, len(devices)))]
        # A pipe each and no shared `Event`: whoever sets an Event waits for ever where a worker was killed that
        # waited for it. A worker reads the end of its pipe at once, whether it was closed or this process is gone.
        self._pipes = [context.Pipe(duplex=False) for _ in shares]
        self._closed = False
        self._workers = [
            context.Process(
                target=run_worker,
                args=(share, aggregator, population, stop, log),
                name=f"fieldfare-devices-{index}",
                daemon=True,
            )
            for index, (share, (stop, _)) in enumerate(zip(shares, self._pipes, strict=True))
        ]

    @property
    def processes(self) -> int:
        """Worker processes."""
        return len(self._workers)

    def start(self) -> None:
        """Start the workers. A Ctrl-C meanwhile is obeyed once all of them are started."""
        try:
            with _interrupts_wait(), _born_without_interrupts():
                for worker, (stop, _) in zip(self._workers, self._pipes, strict=True):
                    worker.start()
                    stop.close()
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raise where a worker has ended on its own.

        Raises:
            FleetError: names the worker and its exit code.
        """
        for worker in self._workers:
            if worker.exitcode is not None and not self._closed:
                raise FleetError(f"the worker process {worker.name} ended with exit code {worker.exitcode}")

    def close(self) -> None:
        """Let the devices finish their step, then end the workers; idempotent."""
        self._closed = True
        for ends in self._pipes:
            for end in ends:
                end.close()
        for worker in self._workers:
            if worker.pid is None:
                continue
            worker.join(_STOP_S)
            if worker.is_alive():
                worker.kill()
                worker.join()

    def __enter__(self) -> "Fleet":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C comes at the end: a worker that is half started would be unknown to its fleet, and die of a broken pipe.

    Blocking the signal is not enough, since it then goes to another thread (numpy has some), and Python's handler runs
    in the main thread all the same.
    """
    ignored = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None)
    # Safe: Ctrl-C interrupts no other thread.
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    # No `Event`: a second Ctrl-C while it is being set would wait for its lock for ever.
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _born_without_interrupts() -> Iterator[None]:
    """Processes that are started inside are born with Ctrl-C held back, until they say themselves what it means."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The first process would start it, and its start ends the holding back.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
