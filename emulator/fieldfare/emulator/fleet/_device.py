"""One device of a fleet."""

from dataclasses import dataclass
from pathlib import Path


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
