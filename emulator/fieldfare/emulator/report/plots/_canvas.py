"""One panel of a plot, and how it becomes SVG that takes its colours from the page."""

import io
import re
from collections.abc import Callable
from typing import Any

# Each is replaced by a variable of the page, so that a plot follows its light or dark colours.
INK, SOFT, LINE = "#1d2733", "#5b6875", "#dfe4ea"
BLUE, ORANGE, GREEN, GREY = "#2f6690", "#d1495b", "#3a7d44", "#9aa5b1"
PURPLE, TEAL, BROWN, GOLD = "#7b4ea3", "#1b8a8f", "#8c5a2b", "#c08a00"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, GOLD, TEAL, BROWN, GREY)
_VARIABLES = {
    INK: "ink", SOFT: "soft", LINE: "line", BLUE: "blue", ORANGE: "orange", GREEN: "green", GREY: "grey",
    PURPLE: "purple", TEAL: "teal", BROWN: "brown", GOLD: "gold",
}  # fmt: skip

_SIZE_INCHES = (4.6, 2.9)
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "fieldfare",
    "svg.fonttype": "none",
    # A metric's name is no formula.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
}


def draw(name: str, paint: Callable[[Any], None], *, size: tuple[float, float] = _SIZE_INCHES) -> str:
    """A panel as an SVG element.

    Args:
        name: what is in it, for those who do not see it.
        paint: draws on the axes that it is given; where there is nothing to draw, it says so with `nothing`.
        size: width and height in inches; a pixel of the page is about 1/72 of one.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.subplots())
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _of_the_page(out.getvalue(), name)


def label(axes: Any, title: str, x: str, y: str, *, whole_x: bool = False, whole_y: bool = False) -> None:
    """Name a panel and its axes; whole axes have no ticks between whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.margins(x=0.03)
    if whole_x:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if whole_y:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def nothing(axes: Any, words: str) -> None:
    """There is nothing to draw: say why, where the plot would be."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", color=SOFT, fontsize=9, transform=axes.transAxes, wrap=True)


def shades(color: str) -> Any:
    """A map from clear, through which the page is seen, to a color."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    full = to_rgb(color)
    return LinearSegmentedColormap.from_list("shades", [(*full, 0.04), (*full, 1.0)])


def _of_the_page(text: str, name: str) -> str:
    svg = text[text.index("<svg") :]
    # Names of groups stand in every plot; nothing refers to them.
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(f": {color}", f": var(--{variable}, {color})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(name)}" ', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
