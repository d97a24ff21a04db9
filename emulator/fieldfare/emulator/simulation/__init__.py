"""A task in emulated time: the aggregator's engine and the devices' sessions, without waiting for either."""

from fieldfare.emulator.simulation._aggregator import EmulatedAggregator
from fieldfare.emulator.simulation._clock import EmulatedClock
from fieldfare.emulator.simulation._fleet import EmulatedFleet
from fieldfare.emulator.simulation._flights import Fate, Flight
from fieldfare.emulator.simulation._simulation import Simulation

__all__ = ["EmulatedAggregator", "EmulatedClock", "EmulatedFleet", "Fate", "Flight", "Simulation"]
