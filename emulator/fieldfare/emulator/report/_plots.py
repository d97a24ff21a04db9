"""The plots of a report as inline SVG."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.report._rounds import RoundRow

_BLUE, _ORANGE, _GREEN, _GREY = "#2f6690", "#d1495b", "#3a7d44", "#9aa5b1"


def learning_plot(rows: Sequence[RoundRow], *, metric: str, target: float | None) -> str:
    """Held-out metric and losses against rounds."""
    figure, (left, right) = _figure(2)
    measured = [row for row in rows if metric in row.held_out]
    values = [row.held_out[metric] for row in measured]
    left.plot([row.version for row in measured], values, color=_BLUE, marker="o", ms=3)
    if target is not None:
        left.axhline(target, color=_ORANGE, ls="--", lw=1)
        # At the left edge, whichever round stands there.
        edge = left.get_yaxis_transform()
        left.text(0.01, target, f"target {target:g}", transform=edge, color=_ORANGE, va="bottom", fontsize=8)
    _label(left, f"{metric} on held-out examples", "round", metric)
    right.plot([row.version for row in rows], [row.train_loss for row in rows], color=_ORANGE, label="training")
    held_out = [row for row in rows if "loss" in row.held_out]
    right.plot(
        [row.version for row in held_out], [row.held_out["loss"] for row in held_out], color=_BLUE, label="held-out"
    )
    right.legend(frameon=False, fontsize=8)
    _label(right, "loss", "round", "mean loss")
    return _svg(figure)


def traffic_plot(rows: Sequence[RoundRow], *, metric: str) -> str:
    """Held-out metric against all payload bytes so far, and bytes of each round."""
    figure, (left, right) = _figure(2)
    total = np.cumsum([row.bytes_up + row.bytes_down for row in rows]) / 1e6
    measured = [(used, row.held_out[metric]) for used, row in zip(total, rows, strict=True) if metric in row.held_out]
    left.plot([used for used, _ in measured], [value for _, value in measured], color=_GREEN, marker="o", ms=3)
    _label(left, f"{metric} against traffic", "MB over all devices, both ways", metric)
    versions = [row.version for row in rows]
    right.bar(versions, [row.bytes_up / 1e6 for row in rows], color=_BLUE, label="up")
    right.bar(versions, [-row.bytes_down / 1e6 for row in rows], color=_GREY, label="down")
    right.axhline(0, color="black", lw=0.5)
    right.legend(frameon=False, fontsize=8)
    _label(right, "traffic of a round (down is drawn below zero)", "round", "MB")
    return _svg(figure)


def devices_plot(rows: Sequence[RoundRow]) -> str:
    """How many devices were asked and counted, and how long the rounds took."""
    figure, (left, right) = _figure(2)
    versions = [row.version for row in rows]
    left.bar(versions, [row.devices_in for row in rows], color=_BLUE, label="counted")
    bottom = [row.devices_in for row in rows]
    left.bar(versions, [row.devices_out for row in rows], bottom=bottom, color=_GREY, label="asked, not counted")
    left.set_ylim(0, 1.25 * max((row.devices_in + row.devices_out for row in rows), default=1))
    left.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    _label(left, "devices of a round", "round", "devices")
    right.bar(versions, [row.seconds for row in rows], color=_GREEN)
    _label(right, "duration of a round with its evaluation", "round", "seconds")
    return _svg(figure)


def label_plot(counts: NDArray[np.int64]) -> str:
    """Which device holds how many examples of which label.

    Args:
        counts: `(devices, labels)`.
    """
    figure, (left, right) = _figure(2)
    image = left.imshow(counts.T, aspect="auto", cmap="Blues", interpolation="nearest", origin="lower")
    figure.colorbar(image, ax=left, label="examples")
    left.set_yticks(range(counts.shape[1]))
    _label(left, "examples of each label on each device", "device", "label")
    right.bar(range(len(counts)), np.sort(counts.sum(axis=1))[::-1], color=_BLUE)
    _label(right, "examples of a device, most first", "device", "examples")
    return _svg(figure)


def _figure(columns: int) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "fieldfare"
    mpl.rcParams["svg.fonttype"] = "none"
    # A metric's name is no formula.
    mpl.rcParams["text.parse_math"] = False
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    return figure, figure.subplots(1, columns)


def _label(axes: Any, title: str, x: str, y: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if x == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
