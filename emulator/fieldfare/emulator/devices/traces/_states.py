"""States of devices from a CSV file: `device,start,end,charging,network,idle`."""

from datetime import datetime
from pathlib import Path

import numpy as np

from fieldfare.emulator.devices._cycles import make_cycles
from fieldfare.emulator.devices._states import States
from fieldfare.emulator.devices.traces._rows import Row, check_follows, read_groups

COLUMNS = ("device", "start", "end", "charging", "network", "idle")
NETWORKS = ("none", "metered", "unmetered")
_FLAGS = ("0", "1")
# A Monday, by the devices' own clocks.
_MONDAY = datetime(2024, 1, 1)  # noqa: DTZ001
_DAY_S, _WEEK_S, _MOST_DAYS = 86_400.0, 7 * 86_400.0, 366


def read_states(path: Path) -> tuple[States, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """One pattern for each device of the file.

    Args:
        path: rows of a device stand together and in order, without gaps, over whole days.

    Returns:
        The states, and `(patterns,)` the second of the week, from Monday on, at which each pattern begins.

    Raises:
        DataError: names the line and what to mend.
    """
    periods, begins, starts = [], [], []
    cells: list[tuple[int, int, int]] = []
    for name, rows in read_groups(path, COLUMNS):
        times = _times(rows, f"device {name!r}")
        first, last = times[0][0], times[-1][1]
        if (last - first) % _DAY_S or last - first > _MOST_DAYS * _DAY_S:
            days = (last - first) / _DAY_S
            raise rows[-1].mistake(
                f"the rows of device {name!r} cover {days:.4g} days: a trace is repeated by the hour of the day, so it "
                f"must cover whole days, at most {_MOST_DAYS}"
            )
        periods.append(last - first)
        begins.append(np.array([start - first for start, _ in times]))
        starts.append(first % _WEEK_S)
        cells.extend(
            (row.choice("charging", _FLAGS), row.choice("network", NETWORKS), row.choice("idle", _FLAGS))
            for row in rows
        )
    charging, network, idle = np.array(cells, np.uint8).T
    states = States(make_cycles(periods, begins), charging.astype(np.bool_), network, idle.astype(np.bool_))
    return states, np.array(starts)


def _times(rows: list[Row], what: str) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    for row in rows:
        begins, ends = _moment(row, "start"), _moment(row, "end")
        check_follows(row, begins, ends, times[-1][1] if times else None, what)
        times.append((begins, ends))
    return times


def _moment(row: Row, column: str) -> float:
    text = row.name(column)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise row.mistake(f"{column} must be a time such as 2024-01-01T22:30:00, got {text!r}") from None
    if moment.tzinfo is not None:
        raise row.mistake(f"{column} must be the device's own time, without a zone, got {text!r}")
    return (moment - _MONDAY).total_seconds()
