"""Which rows are whose: as two arrays, so that a million devices are no million objects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError
from fieldfare.core.plans import count_rows
from fieldfare.emulator.data import Table
from fieldfare.emulator.partition._dirichlet import dirichlet_partition
from fieldfare.emulator.partition._drawing import (
    Drawn,
    draw_by_dirichlet,
    draw_by_quantity,
    draw_evenly,
    draw_shards,
    held_out_of,
)
from fieldfare.emulator.partition._label_tensor import labels_of
from fieldfare.emulator.partition._parts import Parts
from fieldfare.emulator.partition._splits import (
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
    if settings.drawn_per_device:
        drawn = _drawn(settings, table, rng)
        partition = Partition(drawn.rows, drawn.starts, drawn.held_out)
    else:
        parts = _parts(settings, table, rng)
        apart = held_out_of(parts.sizes, settings.held_out_share)
        partition = Partition(_shuffled(parts, rng), parts.starts, apart)
    if (fewest := int(np.diff(partition.starts).min())) < settings.min_examples:
        raise DataError(f"a device would have {fewest} examples, and partition.min_examples is {settings.min_examples}")
    return partition


def _shuffled(parts: Parts, rng: np.random.Generator) -> NDArray[np.int64]:
    """The rows, those of each device in an order that is drawn."""
    order = rng.permutation(len(parts.rows))
    owners = np.repeat(np.arange(len(parts), dtype=np.int32), parts.sizes)
    return parts.rows[order[np.argsort(owners[order], kind="stable")]]


def _parts(settings: PartitionSettings, table: Table, rng: np.random.Generator) -> Parts:
    devices, rows, least = settings.devices, count_rows(table.examples), settings.min_examples
    match settings.kind:
        case "iid":
            return iid_partition(rows, devices, rng=rng)
        case "quantity":
            return quantity_partition(rows, devices, alpha=settings.alpha, rng=rng, min_examples=least)
        case "shards":
            labels = labels_of(settings, table.examples)
            return shard_partition(labels, devices, per_device=settings.shards_per_device, rng=rng)
        case "dirichlet":
            labels = labels_of(settings, table.examples)
            return dirichlet_partition(labels, devices, alpha=settings.alpha, rng=rng, min_examples=least)
        case "column":
            if table.column is None:
                raise DataError("the examples came without the column that tells whose they are")
            return column_partition(table.column)


def _drawn(settings: PartitionSettings, table: Table, rng: np.random.Generator) -> Drawn:
    devices, rows, each = settings.devices, count_rows(table.examples), settings.drawn_per_device
    share, alpha = settings.held_out_share, settings.alpha
    match settings.kind:
        case "quantity":
            least = settings.min_examples
            return draw_by_quantity(rows, devices, each, alpha=alpha, least=least, share=share, rng=rng)
        case "shards":
            labels, per_device = labels_of(settings, table.examples), settings.shards_per_device
            return draw_shards(labels, devices, each, per_device=per_device, share=share, rng=rng)
        case "dirichlet":
            labels = labels_of(settings, table.examples)
            return draw_by_dirichlet(labels, devices, each, alpha=alpha, share=share, rng=rng)
        case _:
            return draw_evenly(rows, np.full(devices, each, np.int64), share=share, rng=rng)
