"""Many devices in a few worker processes; each device is the one that ships, with a folder and store of its own."""

from fieldfare.emulator.fleet._device import VirtualDevice
from fieldfare.emulator.fleet._fleet import Fleet, FleetError

__all__ = ["Fleet", "FleetError", "VirtualDevice"]
