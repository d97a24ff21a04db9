"""What a run leaves to read: tables, summary, events, weights, and one page for people."""

from fieldfare.emulator.emulation.results._summary import describe_ends, main_metric
from fieldfare.emulator.emulation.results._writing import write_results, write_tables

__all__ = ["describe_ends", "main_metric", "write_results", "write_tables"]
