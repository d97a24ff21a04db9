"""When a device is willing to work, and what it knows of the machine that it runs on."""

from fieldfare.sdk.conditions._conditions import Conditions, unmet, unmet_network
from fieldfare.sdk.conditions._network import Network, NetworkKind
from fieldfare.sdk.conditions._probe import Probe
from fieldfare.sdk.conditions._system import SystemProbe
from fieldfare.sdk.conditions._window import TimeWindow

__all__ = ["Conditions", "Network", "NetworkKind", "Probe", "SystemProbe", "TimeWindow", "unmet", "unmet_network"]
