"""What the aggregator shows of itself: metrics, traces, health, and its log."""

from fieldfare.aggregator.observability._logging import logging_to
from fieldfare.aggregator.observability._observability import Observability

__all__ = ["Observability", "logging_to"]
