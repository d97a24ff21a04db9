"""A scenario from the first byte to the last: spread, emulate, write."""

from fieldfare.emulator.emulation._emulate import emulate
from fieldfare.emulator.emulation._outcome import Outcome
from fieldfare.emulator.emulation._preparation import examine
from fieldfare.emulator.emulation.results import describe_ends, main_metric, write_results
from fieldfare.emulator.records import Totals

__all__ = ["Outcome", "Totals", "describe_ends", "emulate", "examine", "main_metric", "write_results"]
