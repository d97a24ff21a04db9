"""The plots of a report: each one panel of inline SVG, in the page's own colours, light or dark."""

from fieldfare.emulator.report.plots._fleet import (
    availability_plot,
    durations_plot,
    ends_plot,
    fairness_plot,
    participation_plot,
)
from fieldfare.emulator.report.plots._learning import Against, Curve, curves_plot, learning_plot, loss_plot, spread_plot
from fieldfare.emulator.report.plots._partition import label_plot, sizes_plot
from fieldfare.emulator.report.plots._rounds import cohort_plot, energy_plot, round_seconds_plot, traffic_plot

__all__ = [
    "Against",
    "Curve",
    "availability_plot",
    "cohort_plot",
    "curves_plot",
    "durations_plot",
    "ends_plot",
    "energy_plot",
    "fairness_plot",
    "label_plot",
    "learning_plot",
    "loss_plot",
    "participation_plot",
    "round_seconds_plot",
    "sizes_plot",
    "spread_plot",
    "traffic_plot",
]
