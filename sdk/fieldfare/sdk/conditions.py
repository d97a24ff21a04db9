"""When a device is willing to work: on mains power, with enough battery and memory."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import psutil

from fieldfare.core.errors import ConfigError

__all__ = ["Conditions", "Probe", "PsutilProbe", "unmet"]

_FULL = 100


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold before a round and between its steps. The default asks for nothing.

    Attributes:
        on_power: plugged in; a machine without a battery always is.
        min_battery_percent: 0 to 100; a machine without a battery has enough.
        min_free_memory_bytes: memory that is available to new work.
        check_again: how long to wait after a condition did not hold.
    """

    on_power: bool = False
    min_battery_percent: float = 0.0
    min_free_memory_bytes: int = 0
    check_again: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if not 0 <= self.min_battery_percent <= _FULL:
            raise ConfigError("must be 0 to 100", field="min_battery_percent")
        if self.min_free_memory_bytes < 0:
            raise ConfigError("must not be negative", field="min_free_memory_bytes")
        if self.check_again <= timedelta(0):
            raise ConfigError("must be positive", field="check_again")

    @property
    def always_hold(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.on_power or self.min_battery_percent or self.min_free_memory_bytes)


class Probe(Protocol):
    """What is known of the machine at this moment."""

    def on_power(self) -> bool:
        """Whether it is plugged in, or has no battery."""
        ...

    def battery_percent(self) -> float:
        """0 to 100; 100 without a battery."""
        ...

    def free_memory_bytes(self) -> int:
        """Memory that is available to new work."""
        ...


class PsutilProbe:
    """Asks the operating system through psutil."""

    def on_power(self) -> bool:
        """Whether it is plugged in, has no battery, or does not say."""
        battery = psutil.sensors_battery()
        return battery is None or battery.power_plugged is not False

    def battery_percent(self) -> float:
        """0 to 100; 100 without a battery."""
        battery = psutil.sensors_battery()
        return _FULL if battery is None else float(battery.percent)

    def free_memory_bytes(self) -> int:
        """Memory that is available to new work."""
        return int(psutil.virtual_memory().available)


def unmet(conditions: Conditions, probe: Probe) -> str:
    """The first condition that does not hold, in words; empty where all do."""
    if conditions.on_power and not probe.on_power():
        return "the device is not on mains power"
    if conditions.min_battery_percent and probe.battery_percent() < conditions.min_battery_percent:
        return f"the battery is below {conditions.min_battery_percent:g} %"
    if conditions.min_free_memory_bytes and probe.free_memory_bytes() < conditions.min_free_memory_bytes:
        return f"less than {conditions.min_free_memory_bytes} bytes of memory are free"
    return ""
