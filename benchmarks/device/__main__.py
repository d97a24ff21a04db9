"""What a device costs: installed size, time to import, memory while it waits, while it trains and reports, and after.

    python -m benchmarks.device [--folder FOLDER] [--store | --check]

Everything runs in a virtual environment with the base install of this tree, made in FOLDER and used again there. The
device is a process that does what an app does; the aggregator is a real one, in this process. It trains the CNN of
`benchmarks.training` for an epoch and reports it. Memory is the proportional set size (PSS): a page that several
processes share counts in parts. It is read every few milliseconds. Importing is measured in processor seconds, which
on an idle machine are those that pass, and the least of the turns counts: whatever else runs only adds to it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from benchmarks.device.base_install import base_python, installed_bytes, versions
from benchmarks.device.costs import Memory, import_seconds
from benchmarks.measuring.ratios import Goal, add_arguments, machine, settle

STORED = Path(__file__).parents[1] / "stored" / "device.json"
WORKER = Path(__file__).with_name("worker.py")
POPULATION = "bench"
_MB = 1e6
_EXAMPLES = 240
_QUIET_S = 15.0
# What the peer takes on disk: `python -m benchmarks.device.peer`.
_PEER_INSTALLED_MB = 228.0


@contextmanager
def device(python: Path, store: Path, folder: Path, address: str) -> Iterator["subprocess.Popen[str]"]:
    """A device that runs until the block ends."""
    command = [python, WORKER, "run", store, folder, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate()


def until(process: "subprocess.Popen[str]", word: str) -> None:
    """Read the device's lines up to the participation that ended so."""
    for line in process.stdout or ():
        if line.startswith(word):
            return
    sys.exit(f"the device ended before it was {word}")


def memory(python: Path, folder: Path, settle_s: float) -> dict[str, int]:
    """Peak PSS in bytes: waiting before there is any work, in a round, and waiting after it."""
    from fieldfare.aggregator import AdminClient, Aggregator
    from fieldfare.core.plans import PlanRuntime
    from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec

    plan, store = folder / "cnn.tflite", folder / "examples.db"
    export = ["benchmarks.training.worker", "export", "cnn", "sgd", str(plan), "0", "16"]
    subprocess.run([sys.executable, "-m", *export], check=True, capture_output=True)
    subprocess.run([python, WORKER, "fill", plan, store, str(_EXAMPLES)], check=True)
    found: dict[str, int] = {}
    with Aggregator(folder / "state") as aggregator:
        with device(python, store, folder / "device", aggregator.address) as waiting:
            until(waiting, "idle")
            found["waiting"] = _at_rest(waiting.pid, settle_s)
        cohort = CohortSpec(1, 1, 1.0, timedelta(minutes=10), timedelta(minutes=10))
        spec = TaskSpec("cnn", POPULATION, 1, cohort, cohort, 0, aggregation=AggregationSpec(min_snapshot_updates=1))
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(plan.read_bytes(), spec, weights=PlanRuntime(plan).get_weights())
        with device(python, store, folder / "device", aggregator.address) as working:
            watched = Memory(working.pid)
            until(working, "counted")
            found["working"] = watched.end()
            print(f"{watched.samples} readings of the memory while it worked")
            # It comes back every few seconds, and lets the plan go once there was nothing to do for ten.
            end = time.monotonic() + _QUIET_S
            while time.monotonic() < end:
                until(working, "idle")
            found["waiting after work"] = _at_rest(working.pid, settle_s)
    return found


def _at_rest(pid: int, seconds: float) -> int:
    watched = Memory(pid)
    time.sleep(seconds)
    return watched.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(tempfile.gettempdir()) / "fieldfare-base-install"
    parser.add_argument("--folder", type=Path, default=default, help="of the environment (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=15, help="of each import (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="to watch a device that waits")
    add_arguments(parser)
    options = parser.parse_args()
    python = base_python(options.folder)
    sizes = installed_bytes(python)
    print(", ".join(f"{name} {size / _MB:.1f} MB" for name, size in sizes.items() if size > _MB))
    spent = import_seconds(python, "from fieldfare.sdk import Device, ExampleStore", options.turns)
    numpy_alone = import_seconds(python, "import numpy", options.turns)
    print(f"import numpy alone: {numpy_alone:.3f} s")
    with tempfile.TemporaryDirectory(prefix="fieldfare-device-") as folder:
        peaks = memory(python, Path(folder), options.seconds)
    goals = {
        "installed, MB": Goal(sum(sizes.values()) / _MB, _PEER_INSTALLED_MB, at_most=True),
        "import, s": Goal(spent, 0.3, at_most=True),
        "memory waiting, MB": Goal(peaks["waiting"] / _MB, 60.0, at_most=True),
        "memory in a round, MB": Goal(peaks["working"] / _MB, 110.0, at_most=True),
        "memory waiting after a round, MB": Goal(peaks["waiting after work"] / _MB, 60.0, at_most=True),
    }
    settle("device", goals, options, f"{versions(python)}; {machine()}", path=STORED)


if __name__ == "__main__":
    main()
