"""What a run leaves to read: one self-contained HTML page, a CSV of its rounds, a JSON summary."""

from fieldfare.emulator.report._files import write_rounds_csv, write_summary
from fieldfare.emulator.report._html import Fact, Plot, write_report
from fieldfare.emulator.report._plots import devices_plot, label_plot, learning_plot, traffic_plot
from fieldfare.emulator.report._rounds import RoundRow, round_rows

__all__ = [
    "Fact",
    "Plot",
    "RoundRow",
    "devices_plot",
    "label_plot",
    "learning_plot",
    "round_rows",
    "traffic_plot",
    "write_report",
    "write_rounds_csv",
    "write_summary",
]
