"""A task in emulated time: the aggregator's engine and the devices' sessions, without waiting for either."""

from fieldfare.emulator.simulation._aggregator import EmulatedAggregator
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
]
