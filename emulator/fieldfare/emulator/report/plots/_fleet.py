"""Who took part, how it ended for them, when they could, how long it took, and how well the model serves each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.report.plots._canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    draw,
    label,
    nothing,
    shades,
)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_COLORS = {
    "counted": BLUE, "late": GREY, "dropped": ORANGE, "left": PURPLE, "refused": GREEN, "withdrawn": SOFT,
}  # fmt: skip
_BINS = 24
_MOST_BARS = 30


def participation_plot(counts: NDArray[np.int32]) -> str:
    """How many devices had how many training reports counted.

    Args:
        counts: `(devices,)`.
    """
    name = "devices by how often they took part"

    def paint(axes: Any) -> None:
        label(axes, name, "training reports that counted", "devices", whole_x=True, whole_y=True)
        if not len(counts) or not counts.any():
            nothing(axes, "No training report has counted.")
            return
        most = int(counts.max())
        width = max(1, -(-(most + 1) // _MOST_BARS))
        found = np.bincount(counts // width)
        at = np.arange(len(found)) * width + (width - 1) / 2
        axes.bar(at, found, width=0.85 * width, color=[GREY, *[BLUE] * (len(found) - 1)] if width == 1 else BLUE)

    return draw(name, paint)


def ends_plot(ends: Mapping[str, int]) -> str:
    """How the parts of devices ended, as horizontal bars with their counts.

    Args:
        ends: how many ended in which way.
    """
    name = "how the devices' parts ended"
    ordered = sorted(ends.items(), key=lambda one: one[1])

    def paint(axes: Any) -> None:
        axes.set_title(name)
        if not ordered:
            nothing(axes, "Nothing was asked of any device.")
            return
        total, values = sum(ends.values()), [count for _, count in ordered]
        axes.barh([how for how, _ in ordered], values, color=[_COLORS.get(how, GREY) for how, _ in ordered])
        for place, count in enumerate(values):
            told = f"{count:,} ({_share(count / total)})"
            axes.annotate(
                told, (count, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK
            )
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 1.45 * max(values))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("parts of devices in rounds")
        axes.xaxis.set_major_locator(_few_whole())

    return draw(name, paint)


def availability_plot(shares: NDArray[np.float64], *, title: str, what: str, percent: bool) -> str:
    """A map of the week: a row a day, a column an hour, UTC.

    Args:
        shares: `(7, 24)`, Monday first.
        title: of the panel.
        what: a cell says.
        percent: whether cells are shares, to be read in percent.
    """

    def paint(axes: Any) -> None:
        label(axes, title, "hour of the day, UTC", "")
        axes.grid(visible=False)
        highest = max(float(shares.max()), 1e-9)
        image = axes.imshow(
            100 * shares if percent else shares,
            aspect="auto",
            cmap=shades(BLUE),
            vmin=0,
            vmax=100 if percent else highest,
            interpolation="nearest",
            extent=(0, 24, 6.5, -0.5),
        )
        axes.set_yticks(range(7), _DAYS)
        axes.set_xticks(range(0, 25, 3))
        axes.tick_params(length=0)
        axes.figure.colorbar(image, ax=axes, label=f"{what}, %" if percent else what, pad=0.02)

    return draw(title, paint)


def durations_plot(histograms: Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]]) -> str:
    """How long the parts of devices took, on a logarithmic axis.

    Args:
        histograms: by name, `(n + 1,)` edges in seconds and `(n,)` counts.
    """
    name = "how long a device's part took"
    shown = {one: found for one, found in histograms.items() if len(found[1])}

    def paint(axes: Any) -> None:
        label(axes, name, "seconds of the device's time", "parts")
        if not shown:
            nothing(axes, "No device has finished its part.")
            return
        for (edges, counts), color, one in zip(shown.values(), (BLUE, ORANGE, GREEN), shown, strict=False):
            axes.stairs(counts, edges, color=color, lw=1.6, label=one)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_locator(_few_whole())
        axes.minorticks_off()
        axes.set_ylim(0, 1.3 * max(int(counts.max()) for _, counts in shown.values()))
        axes.legend(loc="upper center", ncols=3, columnspacing=1.2, handlelength=1.2)

    return draw(name, paint)


def fairness_plot(values: NDArray[np.float64], worst: NDArray[np.float64], *, metric: str) -> str:
    """How the metric is spread over the devices; the worst tenth stands out.

    Args:
        values: `(n,)`, the latest of each device that was measured.
        worst: `(m,)`, those of the worst tenth.
        metric: what it is.
    """
    name = f"{metric} of single devices"

    def paint(axes: Any) -> None:
        label(axes, name, f"{metric} at a device's latest evaluation", "devices", whole_y=True)
        if not len(values):
            nothing(axes, "No device has been evaluated.")
            return
        edges = np.histogram_bin_edges(values, min(_BINS, max(4, len(values) // 2)))
        axes.hist(values, edges, color=BLUE, label="all measured devices")
        axes.hist(worst, edges, color=ORANGE, label="the worst tenth")
        axes.axvline(float(values.mean()), ymax=0.8, color=INK, lw=1, ls="--", label="mean")
        axes.set_ylim(0, 1.35 * max(int(np.histogram(values, edges)[0].max()), 1))
        axes.legend(loc="upper center", ncols=3, columnspacing=1.0, handlelength=1.2)

    return draw(name, paint)


def _share(value: float) -> str:
    return f"{100 * value:.0f}%" if value >= 0.01 else "<1%"  # noqa: PLR2004


def _few_whole() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5, integer=True)
