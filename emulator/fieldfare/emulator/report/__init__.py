"""What a run leaves to read: one self-contained HTML page, a CSV of its rounds, a JSON summary, TensorBoard's events.

Where things are:
    plots    panels of inline SVG
    units    of a plot's axis
    words    amounts in a sentence or a table
"""

from fieldfare.emulator.report._events import write_events
from fieldfare.emulator.report._files import write_rounds_csv, write_summary
from fieldfare.emulator.report._page import Fact, Plot, Section, Table, write_report
from fieldfare.emulator.report._rounds import RoundRow, round_rows
from fieldfare.emulator.report._rounds_table import rounds_section

__all__ = [
    "Fact",
    "Plot",
    "RoundRow",
    "Section",
    "Table",
    "round_rows",
    "rounds_section",
    "write_events",
    "write_report",
    "write_rounds_csv",
    "write_summary",
]
