"""The client of the administration port."""

from fieldfare.aggregator.admin._client import AdminClient

__all__ = ["AdminClient"]
