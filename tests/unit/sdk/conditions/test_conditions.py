"""Conditions: the default asks for nothing, each one says what is missing, and what is not known does not hold."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.sdk.conditions import Conditions, Network, NetworkKind, TimeWindow, unmet

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
UNKNOWN = Network(NetworkKind.OTHER, metered=None)
WIRED = Network(NetworkKind.WIRED, metered=False)
NIGHT = TimeWindow(time(22), time(6), UTC)


@dataclass
class Machine:
    """A probe with the readings that a test gives it; None where it gives none."""

    power: bool | None = None
    battery: float | None = None
    net: Network = UNKNOWN
    load: float | None = None
    idle: timedelta | None = None
    celsius: float | None = None
    memory: int | None = None

    def on_power(self) -> bool | None:
        return self.power

    def battery_percent(self) -> float | None:
        return self.battery

    def network(self) -> Network:
        return self.net

    def cpu_load(self) -> float | None:
        return self.load

    def user_idle(self) -> timedelta | None:
        return self.idle

    def temperature_celsius(self) -> float | None:
        return self.celsius

    def free_memory_bytes(self) -> int | None:
        return self.memory


@pytest.mark.parametrize(
    ("conditions", "machine", "words"),
    [
        (Conditions(), Machine(), ""),
        (Conditions(on_power=True), Machine(power=False), "the device is not on mains power"),
        (Conditions(on_power=True), Machine(power=True), ""),
        (Conditions(min_battery_percent=30), Machine(battery=29.9), "the battery is below 30 %"),
        (Conditions(min_battery_percent=30), Machine(battery=30), ""),
        (Conditions(unmetered=True), Machine(net=WIRED), ""),
        (
            Conditions(unmetered=True),
            Machine(net=Network(NetworkKind.CELLULAR, metered=True)),
            "the network is metered (cellular)",
        ),
        (Conditions(unmetered=True), Machine(net=Network(NetworkKind.NONE, metered=None)), "there is no network"),
        (Conditions(max_cpu_load=0.5), Machine(load=0.6), "other work takes more than 50 % of the processor"),
        (Conditions(max_cpu_load=0.5), Machine(load=0.5), ""),
        (Conditions(max_cpu_load=0.999), Machine(load=1), "other work takes more than 99.9 % of the processor"),
        (
            Conditions(min_user_idle=timedelta(minutes=5)),
            Machine(idle=timedelta(minutes=4)),
            "the device was used in the last 300 s",
        ),
        (Conditions(min_user_idle=timedelta(minutes=5)), Machine(idle=timedelta(minutes=5)), ""),
        (Conditions(max_temperature_celsius=60), Machine(celsius=60.5), "the device is warmer than 60 °C"),
        (Conditions(max_temperature_celsius=60), Machine(celsius=60), ""),
        (Conditions(min_free_memory_bytes=100), Machine(memory=99), "less than 100 bytes of memory are free"),
        (Conditions(min_free_memory_bytes=100), Machine(memory=100), ""),
        (Conditions(hours=NIGHT), Machine(), "it is not between the hours 22:00-06:00"),
        (Conditions(hours=TimeWindow(time(12), time(13), UTC)), Machine(), ""),
    ],
)
def test_each_condition(conditions: Conditions, machine: Machine, words: str) -> None:
    assert unmet(conditions, machine, NOON) == words


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        (Conditions(on_power=True), "the device is on mains power"),
        (Conditions(min_battery_percent=1), "the battery is charged"),
        (Conditions(unmetered=True), "the network is metered"),
        (Conditions(max_cpu_load=0.9), "the processor is busy"),
        (Conditions(min_user_idle=timedelta(seconds=1)), "somebody uses the device"),
        (Conditions(max_temperature_celsius=99), "the device is cool"),
        (Conditions(min_free_memory_bytes=1), "enough memory is free"),
    ],
)
def test_what_is_not_known_does_not_hold(conditions: Conditions, words: str) -> None:
    assert unmet(conditions, Machine(), NOON) == f"it is not known here whether {words}"


def test_only_the_default_always_holds() -> None:
    assert Conditions().always_hold
    assert Conditions(check_again=timedelta(hours=1)).always_hold
    assert not Conditions(on_power=True).always_hold
    assert not Conditions(max_temperature_celsius=0).always_hold


@pytest.mark.parametrize(
    "fields",
    [
        {"min_battery_percent": 101},
        {"min_battery_percent": -1},
        {"min_battery_percent": float("nan")},
        {"max_cpu_load": 0},
        {"max_cpu_load": 1.01},
        {"min_user_idle": timedelta(seconds=-1)},
        {"max_temperature_celsius": float("nan")},
        {"min_free_memory_bytes": -1},
        {"check_again": timedelta(0)},
    ],
)
def test_values_out_of_bounds(fields) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        Conditions(**fields)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (TimeWindow(time(9), time(17)), [time(9), time(16, 59, 59)], [time(8, 59, 59), time(17), time(0)]),
        (TimeWindow(time(22), time(6)), [time(22), time(23, 59), time(0), time(5, 59)], [time(6), time(21, 59)]),
        (TimeWindow(time(22), time(0)), [time(22), time(23, 59)], [time(0), time(21)]),
    ],
)
def test_a_window_of_hours(window: TimeWindow, inside: list[time], outside: list[time]) -> None:
    for clock, expected in [(one, True) for one in inside] + [(one, False) for one in outside]:
        # Without a zone it is the machine's own local time that counts.
        assert window.holds(datetime(2026, 7, 1, clock.hour, clock.minute, clock.second).astimezone()) is expected


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        # Spring in Berlin: 01:59 is followed by 03:00, so that 02:30 to 03:30 is half as long.
        ("2026-03-29T00:59", False),
        ("2026-03-29T01:00", True),
        ("2026-03-29T01:29", True),
        ("2026-03-29T01:30", False),
        # Autumn: 02:59 is followed by 02:00, and 02:30 to 02:59 comes twice.
        ("2026-10-25T00:29", False),
        ("2026-10-25T00:30", True),
        ("2026-10-25T01:00", False),
        ("2026-10-25T01:30", True),
        ("2026-10-25T02:29", True),
        ("2026-10-25T02:30", False),
    ],
)
def test_the_nights_when_clocks_are_set(utc: str, inside: bool) -> None:
    window = TimeWindow(time(2, 30), time(3, 30), ZoneInfo("Europe/Berlin"))
    assert window.holds(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is inside


def test_a_window_from_words() -> None:
    assert TimeWindow.parse("22:00-06:30") == TimeWindow(time(22), time(6, 30))
    assert str(TimeWindow.parse("22:00 - 06:30")) == "22:00-06:30"
    for text in ("", "22:00", "22:00-", "25:00-06:00", "06:00-06:00", "22:00+01:00-06:00"):
        with pytest.raises(ConfigError, match="hours"):
            TimeWindow.parse(text)
