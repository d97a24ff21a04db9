"""The comparison as a picture: accuracy against rounds, a panel for each problem."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.algorithms.comparison import Entry
from benchmarks.algorithms.runs import EVERY

_FIRST = {"color": "black", "lw": 2.2}
_OTHERS = {"lw": 1.2}


def draw(path: Path, found: Mapping[str, Sequence[Entry]]) -> None:
    """Write an SVG; each line is the mean over the seeds, FedAvg's the thick one.

    Args:
        path: the file.
        found: by problem; the first entry is what the others are compared with.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "fieldfare", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.2 * len(found), 3.4), layout="constrained")
        for panel, (name, entries) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
            for number, entry in enumerate(entries):
                # Safe: a run that did not come to its end is as long as the shortest one there.
                length = min(len(one.accuracy) for one in entry.curves)
                mean = np.mean([one.accuracy[:length] for one in entry.curves], axis=0)
                style = _OTHERS if number else _FIRST
                panel.plot(EVERY * np.arange(1, length + 1), mean, label=entry.contender.name, **style)
            panel.set(title=name, xlabel="round")
            panel.grid(alpha=0.2)
            panel.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set_ylabel("accuracy on held-out examples")
        figure.axes[-1].legend(frameon=False, fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
