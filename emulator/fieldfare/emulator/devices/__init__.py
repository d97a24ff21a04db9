"""What emulated devices are like: how fast, how well connected, when available, and what work costs them.

Where things are:
    profiles    fleets as they were measured
    traces      what users measured themselves, from CSV files
"""

from fieldfare.emulator.devices._availability import Availability
from fieldfare.emulator.devices._behaviour import Behaviour
from fieldfare.emulator.devices._capabilities import capabilities
from fieldfare.emulator.devices._course import Course, Load, Spent
from fieldfare.emulator.devices._drawing import draw_behaviour
from fieldfare.emulator.devices._memory import Exclusions, too_small
from fieldfare.emulator.devices._networks import Networks
from fieldfare.emulator.devices._week import availability_by_hour

__all__ = [
    "Availability",
    "Behaviour",
    "Course",
    "Exclusions",
    "Load",
    "Networks",
    "Spent",
    "availability_by_hour",
    "capabilities",
    "draw_behaviour",
    "too_small",
]
