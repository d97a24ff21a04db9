"""What an application may replace: the readings that conditions are held against."""

from datetime import timedelta
from typing import Protocol

from fieldfare.sdk.conditions._network import Network


class Probe(Protocol):
    """What is known of the machine at this moment. None says that it is not known.

    Only the readings that the `Conditions` ask for are taken: before a check-in, and before every step of training. An
    implementation answers in microseconds, or keeps its last answer for a while as `SystemProbe` does.
    """

    def on_power(self) -> bool | None:
        """Whether it is plugged in. True without a battery."""
        ...

    def battery_percent(self) -> float | None:
        """0 to 100. 100 without a battery."""
        ...

    def network(self) -> Network:
        """The network that leads to the aggregator."""
        ...

    def cpu_load(self) -> float | None:
        """Share of all processors, 0 to 1, that other processes use."""
        ...

    def user_idle(self) -> timedelta | None:
        """Since when no person has used the machine."""
        ...

    def temperature_celsius(self) -> float | None:
        """Of the hottest part."""
        ...

    def free_memory_bytes(self) -> int | None:
        """Memory that is available to new work."""
        ...
