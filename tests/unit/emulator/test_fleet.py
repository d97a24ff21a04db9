from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.emulator import Fleet, VirtualDevice


def devices(count: int) -> list[VirtualDevice]:
    return [VirtualDevice(Path(str(index)), Path(str(index)) / "examples.db", index) for index in range(count)]


@pytest.mark.parametrize(("count", "processes"), [(0, 2), (3, 0), (3, -1)])
def test_a_fleet_needs_a_device_and_a_process(count: int, processes: int):
    with pytest.raises(ConfigError, match="at least one device and one process"):
        Fleet(devices(count), aggregator="127.0.0.1:1", population="p", processes=processes)


@pytest.mark.parametrize(("count", "processes", "used"), [(1, 4, 1), (5, 2, 2), (6, 6, 6)])
def test_no_more_processes_than_devices(count: int, processes: int, used: int):
    assert Fleet(devices(count), aggregator="127.0.0.1:1", population="p", processes=processes).processes == used


def test_a_fleet_that_never_started_is_closed_quietly():
    fleet = Fleet(devices(2), aggregator="127.0.0.1:1", population="p")
    fleet.close()
    fleet.close()
    fleet.check()
