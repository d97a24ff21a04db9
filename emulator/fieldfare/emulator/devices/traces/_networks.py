"""Bandwidths from a CSV file: `trace,start_s,end_s,down_mbit_s,up_mbit_s,network`."""

from pathlib import Path

import numpy as np

from fieldfare.emulator.devices._bandwidths import Bandwidths, make_direction
from fieldfare.emulator.devices._cycles import make_cycles
from fieldfare.emulator.devices._states import METERED, UNMETERED
from fieldfare.emulator.devices.traces._rows import Row, check_follows, read_groups

COLUMNS = ("trace", "start_s", "end_s", "down_mbit_s", "up_mbit_s", "network")
_KINDS = ("metered", "unmetered")
_CODES = (METERED, UNMETERED)
_BYTES_PER_MBIT = 125_000.0
_MOST_MBIT_S = 1e6
_LONGEST_S = 366 * 86_400.0


def read_networks(path: Path) -> dict[int, Bandwidths]:
    """The traces by kind of network, one pattern for each.

    Args:
        path: rows of a trace stand together and in order, from 0 s on, without gaps.

    Returns:
        METERED, UNMETERED or both.

    Raises:
        DataError: names the line and what to mend.
    """
    found: dict[int, list[list[tuple[float, float, float, float]]]] = {}
    for name, rows in read_groups(path, COLUMNS):
        kinds = {row.choice("network", _KINDS) for row in rows}
        if len(kinds) > 1:
            raise rows[0].mistake(f"trace {name!r} is of both kinds of network: make two of it")
        found.setdefault(_CODES[kinds.pop()], []).append(_pieces(name, rows))
    return {kind: _bandwidths(traces) for kind, traces in found.items()}


def _pieces(name: str, rows: list[Row]) -> list[tuple[float, float, float, float]]:
    """`(start, end, down, up)` of each row."""
    pieces: list[tuple[float, float, float, float]] = []
    for row in rows:
        begins, ends = row.number("start_s", _LONGEST_S), row.number("end_s", _LONGEST_S)
        check_follows(row, begins, ends, pieces[-1][1] if pieces else 0.0, f"trace {name!r}")
        pieces.append((begins, ends, row.number("down_mbit_s", _MOST_MBIT_S), row.number("up_mbit_s", _MOST_MBIT_S)))
    for column, values in (("down_mbit_s", [one[2] for one in pieces]), ("up_mbit_s", [one[3] for one in pieces])):
        if not any(values):
            raise rows[-1].mistake(f"{column} is 0 in every row of trace {name!r}: nothing would ever come through")
    return pieces


def _bandwidths(traces: list[list[tuple[float, float, float, float]]]) -> Bandwidths:
    cycles = make_cycles([one[-1][1] for one in traces], [np.array([piece[0] for piece in one]) for one in traces])
    rates = _BYTES_PER_MBIT * np.array([piece[2:] for one in traces for piece in one])
    return Bandwidths(cycles, make_direction(cycles, rates[:, 0]), make_direction(cycles, rates[:, 1]))
