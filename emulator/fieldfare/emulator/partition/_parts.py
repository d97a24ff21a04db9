"""Whose each row is, as two arrays: a million devices are no million objects."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The rows of every device, in ascending order for each; `parts[i]` are those of device i.

    Attributes:
        rows: `(n,)`, row numbers, device after device.
        starts: `(devices + 1,)`: device i has `rows[starts[i]:starts[i + 1]]`.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """`(devices,)`: how many rows each has."""
        sizes: NDArray[np.int64] = np.diff(self.starts)
        return sizes

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, device: int) -> NDArray[np.int64]:
        if not 0 <= device < len(self):
            raise IndexError(device)
        return self.rows[self.starts[device] : self.starts[device + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[device] for device in range(len(self)))


def parts_of(owners: NDArray[np.int32], devices: int) -> Parts:
    """The parts where row i belongs to device `owners[i]`, 0 to below `devices`."""
    return Parts(np.argsort(owners, kind="stable"), starts_of(np.bincount(owners, minlength=devices)))


def starts_of(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(devices + 1,)`: where each device's rows begin, and where the last one's end."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def dealt(order: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int32]:
    """`(n,)`: the owner of each row, where device 0 gets the first `sizes[0]` of `order`, device 1 the next ones."""
    owners = np.empty(len(order), np.int32)
    owners[order] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return owners


def even_sizes(total: int, parts: int) -> NDArray[np.int64]:
    """`(parts,)`: sizes that differ by one at the most, larger ones first."""
    sizes = np.full(parts, total // parts, np.int64)
    sizes[: total % parts] += 1
    return sizes
