"""Starts, watches and ends the worker processes."""

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from fieldfare.core.errors import ConfigError, FieldfareError
from fieldfare.emulator.fleet._worker import run_worker

_STOP_S = 20.0


class FleetError(FieldfareError):
    """A worker process ended on its own."""


@dataclass(frozen=True, slots=True)
class VirtualDevice:
    """One emulated device.

    Attributes:
        folder: its own state: device id, cache, outbox, ledger.
        store: the file of its example store.
        seed: seeds its shuffling and its jitter.
    """

    folder: Path
    store: Path
    seed: int


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
        self._stop = context.Event()
        shares = [tuple(devices[start::processes]) for start in range(min(processes, len(devices)))]
        self._workers = [
            context.Process(
                target=run_worker,
                args=(share, aggregator, population, self._stop, log),
                name=f"fieldfare-devices-{index}",
                daemon=True,
            )
            for index, share in enumerate(shares)
        ]

    @property
    def processes(self) -> int:
        """Worker processes."""
        return len(self._workers)

    def start(self) -> None:
        """Start the workers."""
        for worker in self._workers:
            worker.start()

    def check(self) -> None:
        """Raise where a worker has ended on its own.

        Raises:
            FleetError: names the worker and its exit code.
        """
        for worker in self._workers:
            if worker.exitcode is not None and not self._stop.is_set():
                raise FleetError(f"the worker process {worker.name} ended with exit code {worker.exitcode}")

    def close(self) -> None:
        """Let the devices finish their step, then end the workers; idempotent."""
        self._stop.set()
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
