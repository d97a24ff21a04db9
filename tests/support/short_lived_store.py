"""A device's files whose process is killed at random instants, and what each of its steps should have done.

Run as a program it is the parent of the processes that are killed: each is forked, so that it begins at once.
"""

import io
import os
import random
import select
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.device import Current, DeviceFolder
from fieldfare.sdk.ledger import Ledger, LedgerKind
from fieldfare.sdk.personal import PersonalRecord
from fieldfare.sdk.store import ExampleStore, StoreLimits

START = datetime(2026, 5, 1, tzinfo=UTC)
KEEP_ROWS = 10
WEIGHTS = TensorSpec("w", "float32", (5000,))


def now() -> datetime:
    """Time stands still, so that a store and its twin are equal to the last bit."""
    return START


def change_store(store: ExampleStore, step: int) -> None:
    """Step number so and so of a store's life; the same for the same number."""
    chance = random.Random(step)  # noqa: S311
    collection = chance.choice("ab")
    match chance.randrange(8):
        case 0 | 1 | 2:
            store.add({"x": [step, 1.0]}, key=f"key-{chance.randrange(30)}", collection=collection)
        case 3 | 4:
            store.add_many({"x": np.full((40, 2), step, np.float32)}, collection=collection)
        case 5:
            store.delete(key=f"key-{chance.randrange(30)}", collection=collection)
        case 6:
            store.delete(collection=collection)
        case _:
            store.set_limits(StoreLimits(max_examples=chance.randrange(50, 200)))


def change_ledger(ledger: Ledger, step: int) -> None:
    """Step number so and so of a ledger's life: one row."""
    kind = LedgerKind.UPDATE if step % 7 == 0 else LedgerKind.CHECK_IN
    ledger.record(kind, 100 + step, time=START + step * timedelta(hours=1))


def change_models(path: Path, step: int) -> None:
    """A device's folder: a newer checkpoint is there, and the device's own weights over it, four of five times."""
    folder = DeviceFolder(path)
    folder.acquire()
    pair = Current("plan", f"checkpoint-{step}", step, "task")
    folder.current = pair
    kept = step % 5 != 0
    record = PersonalRecord(
        pair.plan, pair.checkpoint, step, "task", kept, "", ("w",), 1, 1, {}, {}, "settings", START.isoformat()
    )
    folder.personal.write(record, (WEIGHTS,), np.full(WEIGHTS.size, step, np.float32))
    folder.lock.release()


def live(what: str, path: Path, step: int, told: io.RawIOBase) -> None:
    """Take step after step, and tell each that is done."""
    change: Callable[[int], None]
    if what == "store":
        store = ExampleStore.open(path, now=now)

        def change(step: int) -> None:
            change_store(store, step)
    elif what == "models":

        def change(step: int) -> None:
            change_models(path, step)
    else:
        ledger = Ledger.open(path, keep_rows=KEEP_ROWS)

        def change(step: int) -> None:
            change_ledger(ledger, step)

    told.write(b"o")
    while True:
        change(step)
        told.write(b".")
        step += 1


def lives(orders: Iterator[str]) -> Iterator[int]:
    """Carry out orders, "what path step seconds": the steps that each short life had told of when it was killed."""
    for order in orders:
        what, path, step, seconds = order.split()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            live(what, Path(path), int(step), os.fdopen(writing, "wb", buffering=0))
        os.close(writing)
        # It begins to count once the file is open; then nothing happens for so long that could be waited for.
        told = os.read(reading, 1)
        select.select([], [], [], float(seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(reading, 4096):
            told += more
        os.close(reading)
        yield told.count(b".")


if __name__ == "__main__":
    for steps in lives(iter(sys.stdin.readline, "")):
        print(steps, flush=True)
