"""Speeds of devices from a CSV file: `device,examples_per_s`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices.traces._rows import read_groups

COLUMNS = ("device", "examples_per_s")
_MOST = 1e12


def read_speeds(path: Path) -> NDArray[np.float32]:
    """`(traces,)`: training examples a second of each device of the file.

    Raises:
        DataError: names the line and what to mend.
    """
    speeds = []
    for name, rows in read_groups(path, COLUMNS):
        if len(rows) > 1:
            raise rows[1].mistake(f"device {name!r} stands above already: give one speed for each")
        speed = rows[0].number("examples_per_s", _MOST)
        if not speed:
            raise rows[0].mistake("examples_per_s must be above 0")
        speeds.append(speed)
    return np.array(speeds, np.float32)
