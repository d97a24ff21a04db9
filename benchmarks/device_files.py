"""What a device's two data bases cost: `python -m benchmarks.device_files [FOLDER]`.

The store holds 100,000 examples of 600 bytes, the ledger 100,000 idle check-ins. Time is the processor's, in this
process; what the disk takes comes on top of it, and depends on the disk. Memory is the peak of the whole process.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fieldfare.core.weights import TensorSpec
from fieldfare.sdk import ExampleStore, Ledger, StoreLimits
from fieldfare.sdk.ledger import LedgerKind

ROWS, SINGLES, CHECK_INS = 100_000, 1000, 100_000
SPECS = (TensorSpec("x", "float32", (149,)), TensorSpec("label", "int32", ()))
START = datetime(2026, 1, 1, tzinfo=UTC)


def taken(what: str, work: Callable[[], object], times: int = 1) -> None:
    """Print the processor time of each of so many calls."""
    before = time.process_time()
    for _ in range(times):
        work()
    print(f"{what:<60}{1000 * (time.process_time() - before) / times:>10.2f} ms")


def memory(what: str) -> None:
    print(f"{what:<60}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:>10.1f} MB")


def size(what: str, folder: Path, name: str) -> None:
    print(f"{what:<60}{sum(one.stat().st_size for one in folder.glob(name + '*')) / 1e6:>10.2f} MB")


def store(folder: Path) -> None:
    with ExampleStore.create(folder / "s.db", SPECS) as examples:
        rows = {"x": np.ones((1000, 149), np.float32), "label": np.ones(1000, np.int32)}
        taken("add_many of 1000 examples", lambda: examples.add_many(rows), ROWS // 1000)
        one = {"x": rows["x"][0], "label": rows["label"][0]}
        taken("add", lambda: examples.add(one), SINGLES)
        examples.set_limits(StoreLimits(max_examples=ROWS, max_age=timedelta(days=30)))
        taken("add, at the limit of 100,000 examples", lambda: examples.add(one), SINGLES)
        taken("training, the newest 1000", lambda: examples.training(1000), 20)
        memory("memory so far")
        size("the file and its log", folder, "s.db")
        taken("delete one example, and overwrite it", lambda: examples.delete(ROWS))
        memory("memory with it")
        taken("delete everything", lambda: examples.delete(everything=True))


def ledger(folder: Path) -> None:
    with Ledger.open(folder / "l.db") as rows:
        slowest = 0.0
        whole = time.process_time()
        for index in range(CHECK_INS):
            before = time.process_time()
            rows.record(LedgerKind.CHECK_IN, 250, time=START + index * timedelta(seconds=20))
            slowest = max(slowest, time.process_time() - before)
        whole = time.process_time() - whole
        print(f"{'record':<60}{1000 * whole / CHECK_INS:>10.2f} ms")
        print(f"{'record that puts old rows together':<60}{1000 * slowest:>10.2f} ms")
        size(f"the file and its log after {CHECK_INS} check-ins", folder, "l.db")
        taken("verify", rows.verify)
        taken("summary", rows.summary, 10)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        store(Path(name))
        ledger(Path(name))
