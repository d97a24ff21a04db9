"""What must hold for a device to work."""

import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from fieldfare.core.errors import ConfigError
from fieldfare.sdk.conditions._network import NetworkKind
from fieldfare.sdk.conditions._probe import Probe
from fieldfare.sdk.conditions._window import TimeWindow

_FULL = 100
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold before a round and before every step of it. The default asks for nothing.

    What is asked for and not known does not hold; the reason says so. An application that knows better gives the
    device a `Probe` of its own.

    Attributes:
        on_power: plugged in; a machine without a battery always is.
        min_battery_percent: 0 to 100; a machine without a battery has enough.
        unmetered: a network whose bytes cost nothing.
        max_cpu_load: share of all processors, above 0 to 1, that other processes may use; 1 for any.
        min_user_idle: how long no person may have used the machine.
        hours: hours of the day.
        max_temperature_celsius: of the hottest part.
        min_free_memory_bytes: memory that is available to new work.
        check_again: how long to wait after a condition did not hold.

    Raises:
        ConfigError: a value out of its bounds.
    """

    on_power: bool = False
    min_battery_percent: float = 0.0
    unmetered: bool = False
    max_cpu_load: float = 1.0
    min_user_idle: timedelta = _ZERO
    hours: TimeWindow | None = None
    max_temperature_celsius: float | None = None
    min_free_memory_bytes: int = 0
    check_again: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if not 0 <= self.min_battery_percent <= _FULL:
            raise ConfigError("must be 0 to 100", field="min_battery_percent")
        if not 0 < self.max_cpu_load <= 1:
            raise ConfigError("must be above 0, and at most 1", field="max_cpu_load")
        if self.min_user_idle < _ZERO:
            raise ConfigError("must not be negative", field="min_user_idle")
        if self.max_temperature_celsius is not None and not math.isfinite(self.max_temperature_celsius):
            raise ConfigError("must be a number of degrees", field="max_temperature_celsius")
        if self.min_free_memory_bytes < 0:
            raise ConfigError("must not be negative", field="min_free_memory_bytes")
        if self.check_again <= _ZERO:
            raise ConfigError("must be positive", field="check_again")

    @property
    def always_hold(self) -> bool:
        """Whether nothing is asked for."""
        return all(getattr(self, one.name) == one.default for one in fields(self) if one.name != "check_again")


def unmet(conditions: Conditions, probe: Probe, now: datetime) -> str:
    """The first condition that does not hold, in words; empty where all do.

    Args:
        conditions: what is asked for; the probe is asked for nothing else.
        probe: the readings.
        now: the present, timezone-aware.
    """
    if conditions.hours is not None and not conditions.hours.holds(now):
        return f"it is not between the hours {conditions.hours}"
    if conditions.on_power and not (plugged := probe.on_power()):
        return _unknown("the device is on mains power") if plugged is None else "the device is not on mains power"
    if conditions.min_battery_percent:
        percent, least = probe.battery_percent(), conditions.min_battery_percent
        if percent is None:
            return _unknown("the battery is charged")
        if percent < least:
            return f"the battery is below {least:g} %"
    return _busy(conditions, probe) or _body(conditions, probe) or unmet_network(conditions, probe)


def _busy(conditions: Conditions, probe: Probe) -> str:
    if conditions.min_user_idle:
        idle = probe.user_idle()
        if idle is None:
            return _unknown("somebody uses the device")
        if idle < conditions.min_user_idle:
            return f"the device was used in the last {conditions.min_user_idle.total_seconds():g} s"
    if conditions.max_cpu_load < 1:
        load = probe.cpu_load()
        if load is None:
            return _unknown("the processor is busy")
        if load > conditions.max_cpu_load:
            return f"other work takes more than {conditions.max_cpu_load * _FULL:g} % of the processor"
    return ""


def _body(conditions: Conditions, probe: Probe) -> str:
    if conditions.max_temperature_celsius is not None:
        celsius = probe.temperature_celsius()
        if celsius is None:
            return _unknown("the device is cool")
        if celsius > conditions.max_temperature_celsius:
            return f"the device is warmer than {conditions.max_temperature_celsius:g} °C"
    if conditions.min_free_memory_bytes:
        free = probe.free_memory_bytes()
        if free is None:
            return _unknown("enough memory is free")
        if free < conditions.min_free_memory_bytes:
            return f"less than {conditions.min_free_memory_bytes} bytes of memory are free"
    return ""


def unmet_network(conditions: Conditions, probe: Probe) -> str:
    """Why the network is not the one that is asked for, in words; empty where it is, or any will do."""
    if not conditions.unmetered:
        return ""
    network = probe.network()
    if network.kind is NetworkKind.NONE:
        return "there is no network"
    if network.metered is None:
        return _unknown("the network is metered")
    return f"the network is metered ({network.kind.value})" if network.metered else ""


def _unknown(what: str) -> str:
    return f"it is not known here whether {what}"
