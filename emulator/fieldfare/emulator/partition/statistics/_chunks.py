"""A fleet in pieces, so that what is worked out of its rows takes bounded memory."""

from collections.abc import Iterator

import numpy as np

from fieldfare.emulator.partition._partition import Partition

_ROWS_AT_ONCE = 2**21


def device_chunks(partition: Partition) -> Iterator[tuple[int, int]]:
    """Numbers of the first device and behind the last one; two million rows each, or one device."""
    first = 0
    while first < partition.devices:
        reach = partition.starts[first] + _ROWS_AT_ONCE
        last = int(np.searchsorted(partition.starts, reach, side="right")) - 1
        last = min(max(last, first + 1), partition.devices)
        yield first, last
        first = last
