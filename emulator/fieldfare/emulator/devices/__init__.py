"""What emulated devices are like: how fast, how well connected, when available."""

from fieldfare.emulator.devices._availability import Availability, draw_availability
from fieldfare.emulator.devices._traits import Traits, draw_traits

__all__ = ["Availability", "Traits", "draw_availability", "draw_traits"]
