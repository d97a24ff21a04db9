"""What the model has learnt, against whatever it has cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.report._rounds import RoundRow
from fieldfare.emulator.report.plots._canvas import BLUE, ORANGE, SERIES, draw, label, nothing
from fieldfare.emulator.report.units import Unit, byte_unit, energy_unit, time_unit

Against = Literal["rounds", "time", "bytes", "energy"]
"""What stands on the horizontal axis."""

_MOST_MARKED = 60
_MOST_POINTS = 2000
_LONGEST_NAME = 32
_UNMEASURED = "No evaluation has measured this."


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a comparison.

    Attributes:
        name: in the legend.
        x: `(n,)`.
        y: `(n,)`.
        low: `(n,)`, the lower edge of a band around it; None for no band.
        high: `(n,)`, its upper edge.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


def learning_plot(rows: Sequence[RoundRow], *, metric: str, target: float | None, against: Against = "rounds") -> str:
    """The held-out metric against rounds, the fleet's time, bytes or energy."""
    x, unit = horizontal(rows, against)
    name = f"{metric} against {_WORDS[against]}"
    measured = [(one, row.held_out[metric]) for one, row in zip(x, rows, strict=True) if metric in row.held_out]

    def paint(axes: Any) -> None:
        label(axes, name, _axis(against, unit), f"held-out {metric}", whole_x=against == "rounds")
        if not measured:
            nothing(axes, _UNMEASURED)
            return
        at, values = _thinned(measured)
        axes.plot(at, values, color=BLUE, marker=_marker(len(at)))
        if target is not None:
            axes.axhline(target, color=ORANGE, ls="--", lw=1)
            # At the left edge, whichever round stands there.
            edge = axes.get_yaxis_transform()
            axes.margins(y=0.12)
            axes.text(0.01, target, f"target {target:g}", transform=edge, color=ORANGE, va="bottom", fontsize=8.5)

    return draw(name, paint)


def loss_plot(rows: Sequence[RoundRow], *, against: Against = "rounds") -> str:
    """Training and held-out loss against rounds, the fleet's time, bytes or energy."""
    x, unit = horizontal(rows, against)
    name = f"loss against {_WORDS[against]}"
    train = [(one, row.train_loss) for one, row in zip(x, rows, strict=True) if np.isfinite(row.train_loss)]
    held = [(one, row.held_out["loss"]) for one, row in zip(x, rows, strict=True) if "loss" in row.held_out]

    def paint(axes: Any) -> None:
        label(axes, name, _axis(against, unit), "mean loss", whole_x=against == "rounds")
        if not train and not held:
            nothing(axes, "No round has told a loss.")
            return
        for points, color, which in ((train, ORANGE, "training"), (held, BLUE, "held-out")):
            if points:
                at, values = _thinned(points)
                axes.plot(at, values, color=color, marker=_marker(len(at)), label=which)
        axes.legend()

    return draw(name, paint)


def curves_plot(curves: Sequence[Curve], *, title: str, x: str, y: str, whole_x: bool = False) -> str:
    """Several runs in one panel, each with a band where it stands for several seeds."""

    def paint(axes: Any) -> None:
        label(axes, title, x, y, whole_x=whole_x)
        shown = [one for one in curves if len(one.x)]
        if not shown:
            nothing(axes, _UNMEASURED)
            return
        for index, one in enumerate(shown):
            color, dashed = SERIES[index % len(SERIES)], index // len(SERIES) % 2
            axes.plot(
                one.x,
                one.y,
                color=color,
                ls="--" if dashed else "-",
                marker=_marker(len(one.x)),
                label=_shortened(one.name),
            )
            if one.low is not None and one.high is not None:
                axes.fill_between(one.x, one.low, one.high, color=color, alpha=0.15, lw=0)
        axes.figure.legend(loc="outside lower center", ncols=2)

    return draw(f"{title} against {x}", paint)


def spread_plot(values: Mapping[str, Sequence[float]], *, what: str) -> str:
    """Each run as a dot in the row of its group, and the groups' means.

    Args:
        values: of each group's runs, by its name; NaN for one that has none.
        what: they are.
    """
    name = f"{what}, run by run"
    known = {group: [one for one in found if np.isfinite(one)] for group, found in values.items()}

    def paint(axes: Any) -> None:
        label(axes, name, what, "")
        if not any(known.values()):
            nothing(axes, _UNMEASURED)
            return
        for place, found in enumerate(known.values()):
            color = SERIES[place % len(SERIES)]
            axes.plot(found, [place] * len(found), "o", color=color, alpha=0.55, ms=5)
            if found:
                axes.plot([np.mean(found)], [place], "|", color=color, ms=16, mew=2)
        axes.set_yticks(range(len(known)), [_shortened(group) for group in known])
        axes.set_ylim(len(known) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.08)

    return draw(name, paint, size=(4.6, max(2.0, 0.9 + 0.25 * len(known))))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."


def horizontal(rows: Sequence[RoundRow], against: Against) -> tuple[list[float], Unit]:
    """Where each row stands on the horizontal axis, and in which unit."""
    if against == "rounds":
        return [float(row.version) for row in rows], Unit("round", 1.0)
    if against == "time":
        values = [row.ended_s for row in rows]
        unit = time_unit(values)
    elif against == "bytes":
        values = np.cumsum([row.bytes_up + row.bytes_down for row in rows]).tolist()
        unit = byte_unit(values)
    else:
        values = np.cumsum([row.energy_j for row in rows]).tolist()
        unit = energy_unit(values)
    return [one / unit.size for one in values], unit


_WORDS = {"rounds": "rounds", "time": "the fleet's time", "bytes": "traffic", "energy": "energy"}


def _axis(against: Against, unit: Unit) -> str:
    return {
        "rounds": "round",
        "time": f"the fleet's time, {unit.name}",
        "bytes": f"{unit.name} over all devices, both ways",
        "energy": f"{unit.name} over all devices",
    }[against]


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Some of very many points, the last one among them."""
    step = -(-len(points) // _MOST_POINTS)
    kept = points[::-step][::-1]
    return [one for one, _ in kept], [one for _, one in kept]


def _marker(points: int) -> str:
    return "o" if points <= _MOST_MARKED else ""
