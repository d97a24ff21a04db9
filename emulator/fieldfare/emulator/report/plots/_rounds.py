"""What each round has taken."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.report._rounds import RoundRow
from fieldfare.emulator.report.plots._canvas import BLUE, GREEN, GREY, ORANGE, SOFT, draw, label, nothing
from fieldfare.emulator.report.units import byte_unit, energy_unit, time_unit

_NONE = "No round has been committed."
# Bars thinner than this cannot be told apart.
_MOST_BARS = 120


def cohort_plot(rows: Sequence[RoundRow]) -> str:
    """How many devices of each round counted, and how many were asked in vain."""

    def paint(axes: Any) -> None:
        label(axes, "devices of a round", "round", "devices", whole_x=True, whole_y=True)
        counted = [row.devices_in for row in rows]
        _stack(axes, rows, counted, BLUE, "counted")
        _stack(axes, rows, [row.devices_out for row in rows], GREY, "asked, not counted", counted)
        if rows:
            axes.set_ylim(0, 1.25 * max(*(row.devices_in + row.devices_out for row in rows), 1))
            axes.legend(loc="upper right", ncols=2)

    return _of_rounds("devices of a round", rows, paint)


def round_seconds_plot(rows: Sequence[RoundRow]) -> str:
    """How long each round took."""
    unit = time_unit([row.seconds for row in rows])

    def paint(axes: Any) -> None:
        label(axes, "duration of a round with its evaluation", "round", unit.name, whole_x=True)
        _stack(axes, rows, [row.seconds / unit.size for row in rows], GREEN, "")

    return _of_rounds("duration of a round with its evaluation", rows, paint)


def traffic_plot(rows: Sequence[RoundRow]) -> str:
    """Bytes of each round; those to the devices are drawn below zero."""
    unit = byte_unit([max(row.bytes_up, row.bytes_down) for row in rows])

    def paint(axes: Any) -> None:
        label(axes, "traffic of a round (down is drawn below zero)", "round", unit.name, whole_x=True)
        _stack(axes, rows, [row.bytes_up / unit.size for row in rows], BLUE, "up")
        _stack(axes, rows, [-row.bytes_down / unit.size for row in rows], GREY, "down")
        axes.axhline(0, color=SOFT, lw=0.6)
        up, down = (max(getattr(row, name) for row in rows) / unit.size for name in ("bytes_up", "bytes_down"))
        # Room for the legend, where no bar stands.
        axes.set_ylim(-1.05 * down, up + 0.25 * max(up + down, 1 / unit.size))
        axes.legend(loc="upper right", ncols=2)

    return _of_rounds("traffic of a round", rows, paint)


def energy_plot(rows: Sequence[RoundRow]) -> str:
    """Joules of each round, over its devices."""
    unit = energy_unit([row.energy_j for row in rows])

    def paint(axes: Any) -> None:
        label(axes, "energy of a round's devices", "round", unit.name, whole_x=True)
        _stack(axes, rows, [row.energy_j / unit.size for row in rows], ORANGE, "")

    return _of_rounds("energy of a round's devices", rows, paint)


def _of_rounds(name: str, rows: Sequence[RoundRow], paint: Any) -> str:
    def guarded(axes: Any) -> None:
        if rows:
            paint(axes)
        else:
            axes.set_title(name)
            nothing(axes, _NONE)

    return draw(name, guarded)


def _stack(
    axes: Any,
    rows: Sequence[RoundRow],
    values: Sequence[float],
    color: str,
    name: str,
    below: Sequence[float] | None = None,
) -> None:
    """Bars; where there are too many, one stands for some rounds and is as high as their mean."""
    group = -(-len(rows) // _MOST_BARS)
    height, bottom = _means(values, group), _means(below or [0.0] * len(rows), group)
    at = _means([row.version for row in rows], group)
    axes.bar(at, height, width=0.8 * group, bottom=bottom, color=color, label=name)
    if group > 1:
        axes.set_xlabel(f"round; a bar is the mean of {group}")


def _means(values: Sequence[float], group: int) -> NDArray[np.float64]:
    starts = range(0, len(values), group)
    return np.array([np.mean(values[start : start + group]) for start in starts])
