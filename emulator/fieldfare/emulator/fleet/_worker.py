"""What runs in a worker process: some devices, each in a thread."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.sessions import RetrySettings

if TYPE_CHECKING:
    from fieldfare.emulator.fleet._fleet import VirtualDevice

_RETRY = RetrySettings(first=timedelta(milliseconds=200), longest=timedelta(seconds=2))
_LOOK_S = 0.5


def run_worker(
    devices: Sequence["VirtualDevice"], aggregator: str, population: str, stop: Event, log: Path | None
) -> None:
    """Run the devices until `stop` is set or the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    parent = multiprocessing.parent_process()
    while not stop.wait(_LOOK_S):
        if parent is not None and not parent.is_alive():
            break
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
