"""A device as an app embeds it, for the environment of the base install: nothing but its packages is imported.

    python worker.py fill PLAN STORE COUNT
    python worker.py run STORE FOLDER ADDRESS

`run` writes a line for each participation, and ends with its standard input.
"""

import sys
import threading
from pathlib import Path

import numpy as np

from fieldfare.core.plans import read_manifest
from fieldfare.sdk import Device, ExampleStore

POPULATION = "bench"


def fill(plan: str, store: str, count: str) -> None:
    """Make a store with random examples."""
    draw, rows = np.random.default_rng(0), int(count)
    specs = read_manifest(Path(plan)).example_specs
    examples = {
        spec.name: draw.standard_normal((rows, *spec.shape), np.float32)
        if spec.dtype == "float32"
        else draw.integers(0, 10, (rows, *spec.shape)).astype(spec.dtype)
        for spec in specs
    }
    with ExampleStore.create(store, specs) as made:
        made.add_many(examples)


def run(store: str, folder: str, address: str) -> None:
    """Take part until standard input ends."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    with (
        ExampleStore.open(store) as examples,
        Device(folder, aggregator=address, population=POPULATION, store=examples) as device,
    ):
        device.run_forever(stop, lambda one: print(one.ended.value, one.detail, flush=True))


if __name__ == "__main__":
    {"fill": fill, "run": run}[sys.argv[1]](*sys.argv[2:])
