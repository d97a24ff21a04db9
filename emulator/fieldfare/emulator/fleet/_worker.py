"""What runs in a worker process: some devices, each in a thread."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from fieldfare.core.sessions import RetrySettings
from fieldfare.emulator.fleet._device import VirtualDevice

_LOOK_S = 0.5
_RETRY = RetrySettings(first=timedelta(milliseconds=200), longest=timedelta(seconds=2))


def run_worker(
    devices: Sequence[VirtualDevice], aggregator: str, population: str, stop: Connection, log: Path | None
) -> None:
    """Run the devices until the other end of `stop` is closed, or gone with the process that had it.

    A device that ends by an error ends the worker, with exit code 1 and the stack trace on standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if log is not None:
        with log.open("ab") as target:
            os.dup2(target.fileno(), sys.stderr.fileno())
    if stop.poll():
        # The fleet was closed while this process came up: do not make it wait for devices that were never run.
        return
    quiet, failed = threading.Event(), threading.Event()

    def run(device: VirtualDevice) -> None:
        ended = False
        try:
            _run_device(device, aggregator, population, quiet)
            ended = True
        finally:
            if not ended:
                failed.set()

    threads = [threading.Thread(target=run, args=(device,), name=device.folder.name) for device in devices]
    for thread in threads:
        thread.start()
    with stop:
        while not (stop.poll(_LOOK_S) or failed.is_set()):
            pass
    quiet.set()
    for thread in threads:
        thread.join()
    if failed.is_set():
        sys.exit(1)


def _run_device(device: VirtualDevice, aggregator: str, population: str, stop: threading.Event) -> None:
    from fieldfare.sdk import Device, ExampleStore

    with (
        ExampleStore.open(device.store) as store,
        Device(
            device.folder, aggregator=aggregator, population=population, store=store, retry=_RETRY, seed=device.seed
        ) as running,
    ):
        running.run_forever(stop)
