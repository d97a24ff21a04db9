"""A live display of a running task: a table that grows in a terminal, plain lines elsewhere."""

from fieldfare.emulator.progress._display import ProgressDisplay

__all__ = ["ProgressDisplay"]
