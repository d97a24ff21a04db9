"""What the devices hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.report.plots._canvas import BLUE, draw, label, shades

_MOST_TICKS = 12


def label_plot(counts: NDArray[np.int64], *, labels: Sequence[object] | None = None, of_all: int | None = None) -> str:
    """Which device holds how many examples of which label.

    Args:
        counts: `(devices, labels)`.
        labels: what the labels are called; default: 0, 1, 2 ...
        of_all: devices of the fleet, where only some of them are shown.
    """
    names = [str(one) for one in (range(counts.shape[1]) if labels is None else labels)]
    some = "device" if of_all in (None, len(counts)) else f"{len(counts)} devices, spread over all {of_all:,}"

    def paint(axes: Any) -> None:
        label(axes, "examples of each label on each device", some, "label", whole_x=True)
        axes.grid(visible=False)
        image = axes.imshow(counts.T, aspect="auto", cmap=shades(BLUE), interpolation="nearest", origin="lower")
        axes.figure.colorbar(image, ax=axes, label="examples", pad=0.02)
        step = -(-len(names) // _MOST_TICKS)
        axes.set_yticks(range(0, len(names), step), [one[:12] for one in names[::step]])
        axes.tick_params(length=0)

    return draw("examples of each label on each device", paint)


def sizes_plot(edges: Sequence[float], counts: Sequence[int]) -> str:
    """How many devices hold how many examples.

    Args:
        edges: `(n + 1,)`, of the bins.
        counts: `(n,)`, devices in each.
    """

    def paint(axes: Any) -> None:
        label(axes, "devices by their number of examples", "examples", "devices", whole_x=True, whole_y=True)
        axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, linewidth=0)

    return draw("devices by their number of examples", paint)
