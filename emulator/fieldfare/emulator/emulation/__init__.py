"""A scenario from the first byte to the last: spread, emulate, write."""

from fieldfare.emulator.emulation._emulate import Outcome, emulate
from fieldfare.emulator.emulation._results import describe_ends, main_metric, write_results
from fieldfare.emulator.records import Totals

__all__ = ["Outcome", "Totals", "describe_ends", "emulate", "main_metric", "write_results"]
