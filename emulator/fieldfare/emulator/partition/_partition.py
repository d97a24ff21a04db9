"""Which rows are whose: as two arrays, so that a million devices are no million objects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.plans import Examples
from fieldfare.emulator.data import Table
from fieldfare.emulator.partition._dirichlet import dirichlet_partition
from fieldfare.emulator.partition._splits import (
    Parts,
    column_partition,
    iid_partition,
    quantity_partition,
    shard_partition,
)
from fieldfare.emulator.scenario import PartitionSettings


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of every device, those to train on before those that are held out.

    Attributes:
        rows: `(n,)`, row numbers, device after device.
        starts: `(devices + 1,)`: device i has `rows[starts[i]:starts[i + 1]]`.
        held_out: `(devices,)`: how many of these, at the end, are held out.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def devices(self) -> int:
        """How many there are."""
        return len(self.held_out)

    @property
    def training(self) -> NDArray[np.int64]:
        """`(devices,)`: examples to train on."""
        counts: NDArray[np.int64] = np.diff(self.starts) - self.held_out
        return counts

    def training_rows(self, device: int) -> NDArray[np.int64]:
        """Rows that the device trains on."""
        return self.rows[self.starts[device] : self.starts[device + 1] - self.held_out[device]]

    def held_out_rows(self, device: int) -> NDArray[np.int64]:
        """Rows that the device evaluates on."""
        return self.rows[self.starts[device + 1] - self.held_out[device] : self.starts[device + 1]]


def make_partition(settings: PartitionSettings, table: Table, seed: int) -> Partition:
    """Spread the examples over the devices.

    Args:
        settings: how.
        table: all examples.
        seed: of the draws.

    Raises:
        DataError: more devices than the examples allow; a tensor of labels that is not there or holds no integers.
    """
    rng = np.random.default_rng([seed, 0])
    parts = _parts(settings, table, rng)
    if (fewest := min(len(part) for part in parts)) < settings.min_examples:
        raise DataError(f"a device would have {fewest} examples, and partition.min_examples is {settings.min_examples}")
    shuffled = [rng.permutation(part) for part in parts]
    counts = np.array([len(part) for part in shuffled], np.int64)
    held_out = np.floor(counts * settings.held_out_share + 0.5).astype(np.int64)
    # Nobody is left without an example to train on.
    held_out = np.minimum(held_out, counts - 1)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Partition(np.concatenate(shuffled).astype(np.int64), starts, held_out)


def _parts(settings: PartitionSettings, table: Table, rng: np.random.Generator) -> Parts:
    devices, rows = settings.devices, len(next(iter(table.examples.values())))
    match settings.kind:
        case "iid":
            return iid_partition(rows, devices, rng=rng)
        case "quantity":
            return quantity_partition(rows, devices, alpha=settings.alpha, rng=rng, min_examples=settings.min_examples)
        case "shards":
            labels = labels_of(settings, table.examples)
            return shard_partition(labels, devices, per_device=settings.shards_per_device, rng=rng)
        case "dirichlet":
            labels = labels_of(settings, table.examples)
            return dirichlet_partition(
                labels, devices, alpha=settings.alpha, rng=rng, min_examples=settings.min_examples
            )
        case "column":
            if table.column is None:
                raise DataError("the examples came without the column that tells whose they are")
            return column_partition(table.column)


def labels_of(settings: PartitionSettings, examples: Examples) -> NDArray[np.int64]:
    """`(n,)`: the label of each example.

    Raises:
        DataError: no such tensor, or one that does not hold one integer for each example.
    """
    name = settings.labels or list(examples)[-1]
    found = examples.get(name)
    if found is None:
        raise DataError(
            f"there is no tensor {name!r} to take labels from: partition.labels is one of {sorted(examples)}"
        )
    flat = found.reshape(len(found), -1)
    if found.dtype.kind not in "iu" or flat.shape[1] != 1:
        raise DataError(f"{name!r} is {found.dtype}{list(found.shape[1:])}: labels are one integer for each example")
    return flat[:, 0].astype(np.int64)
