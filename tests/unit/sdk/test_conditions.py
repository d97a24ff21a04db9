"""Conditions: the default asks for nothing, and each one says what is missing."""

from datetime import timedelta

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.sdk.conditions import Conditions, PsutilProbe, unmet


class Machine:
    def __init__(self, *, power: bool = True, battery: float = 100.0, memory: int = 10**9) -> None:
        self._power, self._battery, self._memory = power, battery, memory

    def on_power(self) -> bool:
        return self._power

    def battery_percent(self) -> float:
        return self._battery

    def free_memory_bytes(self) -> int:
        return self._memory


@pytest.mark.parametrize(
    ("conditions", "machine", "words"),
    [
        (Conditions(), Machine(power=False, battery=1, memory=1), ""),
        (Conditions(on_power=True), Machine(power=False), "mains power"),
        (Conditions(on_power=True), Machine(), ""),
        (Conditions(min_battery_percent=30), Machine(battery=29.9), "below 30 %"),
        (Conditions(min_battery_percent=30), Machine(battery=30), ""),
        (Conditions(min_free_memory_bytes=2 * 10**9), Machine(), "memory"),
        (Conditions(min_free_memory_bytes=10**9), Machine(), ""),
    ],
)
def test_each_condition(conditions: Conditions, machine: Machine, words: str) -> None:
    found = unmet(conditions, machine)
    assert words in found
    assert bool(found) == bool(words)


def test_only_the_default_always_holds() -> None:
    assert Conditions().always_hold
    assert not Conditions(on_power=True).always_hold


@pytest.mark.parametrize(
    "fields",
    [
        {"min_battery_percent": 101},
        {"min_battery_percent": -1},
        {"min_free_memory_bytes": -1},
        {"check_again": timedelta(0)},
    ],
)
def test_values_out_of_bounds(fields) -> None:
    with pytest.raises(ConfigError):
        Conditions(**fields)


def test_this_machine_can_be_asked() -> None:
    probe = PsutilProbe()
    assert isinstance(probe.on_power(), bool)
    assert 0 <= probe.battery_percent() <= 100
    assert probe.free_memory_bytes() > 0
