"""The fleet's examples as files that every worker maps into its memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.plans import Examples, take_rows
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.partition import Partition

_ROWS, _STARTS, _HELD_OUT = "rows.npy", "starts.npy", "held_out.npy"


def write_examples(folder: Path, specs: Sequence[TensorSpec], examples: Examples, partition: Partition) -> None:
    """Write what `FleetExamples` reads.

    Args:
        folder: made where it is absent.
        specs: of one example.
        examples: tensor name to `(n, *shape)` array.
        partition: whose they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, spec in enumerate(specs):
        np.save(folder / f"tensor-{index}.npy", examples[spec.name])
    for name, array in ((_ROWS, partition.rows), (_STARTS, partition.starts), (_HELD_OUT, partition.held_out)):
        np.save(folder / name, array)


class FleetExamples:
    """The examples of every device. Read from disk as they are needed; processes share the pages.

    Args:
        folder: what `write_examples` wrote.
        specs: of one example.
    """

    def __init__(self, folder: Path, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)
        self._tensors: dict[str, NDArray[Any]] = {
            spec.name: np.load(folder / f"tensor-{index}.npy", mmap_mode="r") for index, spec in enumerate(specs)
        }
        rows, starts, held_out = (np.load(folder / name, mmap_mode="r") for name in (_ROWS, _STARTS, _HELD_OUT))
        self._partition = Partition(rows, starts, held_out)

    def of(self, device: int) -> "DeviceExamples":
        """One device's examples, by its number from 0."""
        return DeviceExamples(self._specs, self._tensors, self._partition, device)


@dataclass(frozen=True, slots=True)
class DeviceExamples:
    """See `fieldfare.sdk.ExampleSource`."""

    specs: tuple[TensorSpec, ...]
    tensors: Examples
    partition: Partition
    device: int

    def training(self, limit: int | None = None) -> Examples:
        """The last `limit` examples to train on."""
        rows = self.partition.training_rows(self.device)
        return take_rows(self.tensors, rows if limit is None else rows[max(0, len(rows) - limit) :])

    def held_out(self) -> Examples:
        """All examples that are kept for evaluation."""
        return take_rows(self.tensors, self.partition.held_out_rows(self.device))
