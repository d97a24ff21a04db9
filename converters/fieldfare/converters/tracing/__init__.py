"""Traces the signatures of a plan, with the model's layers adapted to what a plan can do."""

from fieldfare.converters.tracing._blame import op_problems
from fieldfare.converters.tracing._signatures import Traced, optimizer_state, trace_signatures

__all__ = ["Traced", "op_problems", "optimizer_state", "trace_signatures"]
