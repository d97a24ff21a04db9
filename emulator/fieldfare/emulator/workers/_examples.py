"""The fleet's examples: as files that workers map into their memory, and device by device."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import StorageError
from fieldfare.core.plans import Examples, take_rows
from fieldfare.core.weights import TensorSpec
from fieldfare.emulator.partition import Partition

_ROWS, _STARTS, _HELD_OUT = "rows.npy", "starts.npy", "held_out.npy"


def write_examples(folder: Path, specs: Sequence[TensorSpec], examples: Examples, partition: Partition) -> None:
    """Write what `read_examples` reads.

    Args:
        folder: made where it is absent.
        specs: of one example.
        examples: tensor name to `(n, *shape)` array.
        partition: whose they are.

    Raises:
        StorageError: they cannot be written; says how much room they need.
    """
    files = {f"tensor-{index}.npy": examples[spec.name] for index, spec in enumerate(specs)}
    files |= {_ROWS: partition.rows, _STARTS: partition.starts, _HELD_OUT: partition.held_out}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in files.items():
            np.save(folder / name, array)
    except OSError as error:
        needed = sum(array.nbytes for array in files.values()) / 1e6
        message = f"cannot write the workers' examples, {needed:,.0f} MB, to {folder}: {error.strerror or error}"
        raise StorageError(message) from error


@dataclass(frozen=True, slots=True)
class FleetArrays:
    """What `write_examples` wrote.

    Attributes:
        tensors: `(n, *shape)` each, in the order of their specs.
        partition: whose they are.
    """

    tensors: tuple[NDArray[Any], ...]
    partition: Partition

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        parts = self.partition.rows, self.partition.starts, self.partition.held_out
        return sum(one.nbytes for one in (*self.tensors, *parts))


def read_examples(folder: Path) -> FleetArrays:
    """The arrays of a folder. Read from disk as they are needed; processes share the pages."""
    count = sum(1 for _ in folder.glob("tensor-*.npy"))
    tensors = tuple(_mapped(folder / f"tensor-{index}.npy") for index in range(count))
    rows, starts, held_out = (_mapped(folder / name) for name in (_ROWS, _STARTS, _HELD_OUT))
    return FleetArrays(tensors, Partition(rows, starts, held_out))


def _mapped(path: Path) -> NDArray[Any]:
    # Slices of `np.memmap` take ten times as long as those of the array that it is.
    return np.asarray(np.load(path, mmap_mode="r"))


class FleetExamples:
    """The examples of every device.

    Args:
        arrays: all of them.
        specs: of one example.
    """

    def __init__(self, arrays: FleetArrays, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)
        names = (spec.name for spec in specs)
        self._tensors: dict[str, NDArray[Any]] = dict(zip(names, arrays.tensors, strict=True))
        self._partition = arrays.partition

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
