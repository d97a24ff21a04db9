"""Traces of one's own, from CSV files that are checked line by line."""

from fieldfare.emulator.devices.traces._networks import read_networks
from fieldfare.emulator.devices.traces._speeds import read_speeds
from fieldfare.emulator.devices.traces._states import read_states

__all__ = ["read_networks", "read_speeds", "read_states"]
