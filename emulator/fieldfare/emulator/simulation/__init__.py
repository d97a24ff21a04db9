"""A task in emulated time: the aggregator's engine and the devices' sessions, without waiting for either."""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
    from fieldfare.emulator.simulation._aggregator import EmulatedAggregator
    from fieldfare.emulator.simulation._artifacts import artifacts_folder
    from fieldfare.emulator.simulation._clock import BEGINNING, EmulatedClock
    from fieldfare.emulator.simulation._controls import FleetControls
    from fieldfare.emulator.simulation._fleet import EmulatedFleet
    from fieldfare.emulator.simulation._flights import Ending, Fate, Flight
    from fieldfare.emulator.simulation._simulation import Simulation
    from fieldfare.emulator.simulation._state import SimulationState

__all__ = [
    "BEGINNING",
    "EmulatedAggregator",
    "EmulatedClock",
    "EmulatedFleet",
    "Ending",
    "Fate",
    "FleetControls",
    "Flight",
    "Simulation",
    "SimulationState",
    "artifacts_folder",
]

_HOMES = {
    "BEGINNING": "fieldfare.emulator.simulation._clock",
    "EmulatedAggregator": "fieldfare.emulator.simulation._aggregator",
    "EmulatedClock": "fieldfare.emulator.simulation._clock",
    "EmulatedFleet": "fieldfare.emulator.simulation._fleet",
    "Ending": "fieldfare.emulator.simulation._flights",
    "Fate": "fieldfare.emulator.simulation._flights",
    "FleetControls": "fieldfare.emulator.simulation._controls",
    "Flight": "fieldfare.emulator.simulation._flights",
    "Simulation": "fieldfare.emulator.simulation._simulation",
    "SimulationState": "fieldfare.emulator.simulation._state",
    "artifacts_folder": "fieldfare.emulator.simulation._artifacts",
}

__getattr__ = late_imports(__name__, _HOMES)
