"""What a worker process runs."""

import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from fieldfare.emulator.workers._device_worker import DeviceWorker, WorkerSettings
from fieldfare.emulator.workers._examples import read_examples
from fieldfare.emulator.workers._orders import Done
from fieldfare.emulator.workers._slots import Slots


@dataclass(frozen=True, slots=True)
class Result:
    """What is sent back through the pipe.

    Attributes:
        done: without its payload where that lies in shared memory.
        slot: where it lies; None for a payload in `done` itself.
        nbytes: its length there.
    """

    done: Done
    slot: int | None
    nbytes: int


def run_worker(settings: WorkerSettings, pipe: Connection, slots: Slots, log: Path) -> None:
    """Carry out orders until the other end of the pipe is closed, or gone with its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with log.open("ab") as target:
        os.dup2(target.fileno(), sys.stderr.fileno())
    worker = DeviceWorker(settings, read_examples(settings.examples))
    while True:
        try:
            order, slot = pipe.recv()
        except EOFError:
            return
        done = worker.carry_out(order)
        if slots.write(slot, done.payload):
            pipe.send(Result(done.with_payload(b""), slot, len(done.payload)))
        else:
            pipe.send(Result(done, None, 0))
