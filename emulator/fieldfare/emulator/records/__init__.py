"""What each device did in each round: written as it happens, read again when it is over."""

from fieldfare.emulator.records._device_rows import FIXED_COLUMNS, DeviceRows, reported_metrics
from fieldfare.emulator.records._fleet_record import FleetRecord
from fieldfare.emulator.records._histograms import LogHistogram
from fieldfare.emulator.records._table import read_rows, record_fleet
from fieldfare.emulator.records._totals import Totals

__all__ = [
    "FIXED_COLUMNS",
    "DeviceRows",
    "FleetRecord",
    "LogHistogram",
    "Totals",
    "read_rows",
    "record_fleet",
    "reported_metrics",
]
