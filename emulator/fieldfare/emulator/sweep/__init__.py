"""One scenario run again and again with other values, and one report that compares the runs."""

from fieldfare.emulator.sweep._axes import Axis, axes_from_table, parse_axis
from fieldfare.emulator.sweep._comparison import Finished, Group, grouped, read_finished
from fieldfare.emulator.sweep._reading import Sweep, SweepRun, read_sweep, sweep_from_mapping
from fieldfare.emulator.sweep._results import write_comparison
from fieldfare.emulator.sweep._running import run_sweep

__all__ = [
    "Axis",
    "Finished",
    "Group",
    "Sweep",
    "SweepRun",
    "axes_from_table",
    "grouped",
    "parse_axis",
    "read_finished",
    "read_sweep",
    "run_sweep",
    "sweep_from_mapping",
    "write_comparison",
]
