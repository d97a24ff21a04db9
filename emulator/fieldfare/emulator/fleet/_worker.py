"""What runs in a worker process: some devices, each in a thread."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.sessions import RetrySettings

if TYPE_CHECKING:
    from fieldfare.emulator.fleet._fleet import VirtualDevice

_RETRY = RetrySettings(first=timedelta(milliseconds=200), longest=timedelta(seconds=2))


def run_worker(
    devices: Sequence["VirtualDevice"], aggregator: str, population: str, stop: Connection, log: Path | None
) -> None:
    """Run the devices until the other end of `stop` is closed, or gone with the process that had it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if log is not None:
        with log.open("ab") as target:
            os.dup2(target.fileno(), sys.stderr.fileno())
    quiet = threading.Event()
    threads = [
        threading.Thread(target=_run_device, args=(device, aggregator, population, quiet), name=device.folder.name)
        for device in devices
    ]
    for thread in threads:
        thread.start()
    with stop:
        stop.poll(None)
    quiet.set()
    for thread in threads:
        thread.join()


def _run_device(device: "VirtualDevice", aggregator: str, population: str, stop: threading.Event) -> None:
    from fieldfare.sdk import Device, ExampleStore

    with (
        ExampleStore.open(device.store) as store,
        Device(
            device.folder, aggregator=aggregator, population=population, store=store, retry=_RETRY, seed=device.seed
        ) as running,
    ):
        running.run_forever(stop)
