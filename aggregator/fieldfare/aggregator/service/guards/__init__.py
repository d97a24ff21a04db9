"""Interceptors before the services: who calls, whether they may, how often, and how slowly."""

from fieldfare.aggregator.service.guards._admin import AdminGuard
from fieldfare.aggregator.service.guards._device import DeviceGuard

__all__ = ["AdminGuard", "DeviceGuard"]
