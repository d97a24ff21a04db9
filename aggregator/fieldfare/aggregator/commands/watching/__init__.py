"""Following a task until it has ended: a live view in a terminal, a line for each round elsewhere."""

from fieldfare.aggregator.commands.watching._watch import watch

__all__ = ["watch"]
