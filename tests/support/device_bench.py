"""One device and an aggregator that answers as a test tells it to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.core.sessions import Participation, RetrySettings
from fieldfare.core.weights import pack_weights
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import Device, ExampleStore
from fieldfare.sdk.device import DeviceFolder
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest, tiny_plan

QUICK = RetrySettings(tries=3, first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))
MANIFEST = tiny_manifest()
CHECKPOINT = pack_weights(MANIFEST.weight_specs, np.float32([0.5, -0.25]))


@dataclass
class Bench:
    """One device, its store and its aggregator."""

    folder: Path
    store: ExampleStore
    aggregator: ScriptedAggregator

    def device(self, **changes: Any) -> Device:
        settings = {"aggregator": self.aggregator.address, "retry": QUICK, "seed": 1, "store": self.store}
        return Device(self.folder, population="digits", **(settings | changes))

    def offer(self, **changes: Any) -> aggregator_pb2.Assignment:
        return self.aggregator.offer(tiny_plan(), CHECKPOINT, **changes)

    def once(self, **changes: Any) -> Participation:
        with self.device(**changes) as device:
            return device.run_once()

    def check_ledger(self) -> None:
        """What the ledger says is what the aggregator saw, and nobody has touched it."""
        with DeviceFolder(self.folder).open_ledger() as ledger:
            assert ledger.total_bytes() == self.aggregator.bytes_in
            assert ledger.verify() is None


@contextmanager
def device_bench(folder: Path) -> Iterator[Bench]:
    """A store with 20 examples of y = 2 x, 17 of them to train with, and an aggregator that listens."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    with ScriptedAggregator() as aggregator, ExampleStore.create(folder / "s.db", MANIFEST.example_specs) as store:
        store.add_many({"x": x, "y": 2 * x})
        yield Bench(folder / "device", store, aggregator)
