"""Traces the signatures of a plan, with the model's layers adapted to what a plan can do."""

from fieldfare.converters.tracing._blame import op_problems
from fieldfare.converters.tracing._signatures import Traced, state_name, trace_signatures

__all__ = ["Traced", "op_problems", "state_name", "trace_signatures"]
