"""What the aggregator shows of itself: metrics, traces, health, and its log."""

from fieldfare.aggregator.observability._logging import logging_to
from fieldfare.aggregator.observability._observability import Observability
from fieldfare.aggregator.observability._storage_health import StorageHealth

__all__ = ["Observability", "StorageHealth", "logging_to"]
