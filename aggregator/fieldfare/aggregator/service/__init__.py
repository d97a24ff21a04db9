"""gRPC servicers: thin shells that read streams within their bounds, call the engine, and name errors on the wire."""

from fieldfare.aggregator.service._admin_service import AdminService
from fieldfare.aggregator.service._check_ins import CheckIns
from fieldfare.aggregator.service._device_service import DeviceService
from fieldfare.aggregator.service._pumps import Pumps
from fieldfare.aggregator.service._replicas import look_around
from fieldfare.aggregator.service._revocations import watch_revocations
from fieldfare.aggregator.service._uncopied import Uncopied
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.service.guards import AdminGuard, DeviceGuard

__all__ = [
    "AdminGuard",
    "AdminService",
    "CheckIns",
    "DeviceGuard",
    "DeviceService",
    "Pumps",
    "Uncopied",
    "Workers",
    "look_around",
    "watch_revocations",
]
