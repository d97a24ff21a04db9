"""What the operating system says of the machine."""

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from fieldfare.sdk.conditions._linux import group_free_bytes, hottest, hottest_zone
from fieldfare.sdk.conditions._load import Load
from fieldfare.sdk.conditions._network import Network, read_network
from fieldfare.sdk.conditions._tools import ask_idle

_FULL = 100.0
# Asking costs some tenths of a millisecond at most, and a step of a small model is no longer than that.
_FRESH = timedelta(seconds=1)
# NetworkManager and logind are asked through a process, which costs some hundredths of a second.
_ASKED_FRESH = timedelta(seconds=10)

_T = TypeVar("_T")


class SystemProbe:
    """A `Probe` that asks psutil, loaded with the first reading, and on Linux files that anybody may read.

    A reading is kept for a while and then taken anew. A machine without a battery is on power. None stands for: no
    sensor of temperature; no logind to tell of people; a network on a system other than Linux. Not for several threads
    at once.

    Args:
        root: of the file system; another one in tests.
        nmcli: NetworkManager's command; default: the one that is installed, if any.
        loginctl: logind's command; default: the one that is installed, if any.
        user_idle: since when nobody has used the machine, where the application knows; it is asked each time.
        fresh: how long a reading is kept.
        asked_fresh: how long one is kept that another process is asked for: network, and people at work.
        elapsed: seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        nmcli: str | None = None,
        loginctl: str | None = None,
        user_idle: Callable[[], timedelta | None] | None = None,
        fresh: timedelta = _FRESH,
        asked_fresh: timedelta = _ASKED_FRESH,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._nmcli, self._loginctl = nmcli or shutil.which("nmcli"), loginctl or shutil.which("loginctl")
        self._user_idle = user_idle
        self._fresh, self._asked_fresh, self._elapsed = fresh, asked_fresh, elapsed
        self._load = Load()
        self._kept: dict[str, tuple[float, Any]] = {}

    def on_power(self) -> bool | None:
        """Whether it is plugged in; True without a battery, None for a battery that does not say."""
        battery = self._kept_for(self._fresh, "battery", _battery)
        return True if battery is None else battery.power_plugged

    def battery_percent(self) -> float | None:
        """0 to 100; 100 without a battery."""
        battery = self._kept_for(self._fresh, "battery", _battery)
        return _FULL if battery is None else float(battery.percent)

    def network(self) -> Network:
        """The network of the default route."""
        return self._kept_for(self._asked_fresh, "network", lambda: read_network(self._root, self._nmcli))

    def cpu_load(self) -> float | None:
        """Share of all processors that other processes have used since the reading before, 0 to 1."""
        return self._kept_for(self._fresh, "load", self._load)

    def user_idle(self) -> timedelta | None:
        """Since when nobody has used the machine; without limit where nobody is logged in."""
        if self._user_idle is not None:
            return self._user_idle()
        return self._kept_for(self._asked_fresh, "idle", self._ask_idle)

    def temperature_celsius(self) -> float | None:
        """Of the hottest thermal zone, or of the hottest sensor that psutil knows."""
        return self._kept_for(self._fresh, "temperature", self._temperature)

    def free_memory_bytes(self) -> int | None:
        """What the machine has to give, or what the control group of this process leaves where that is less."""
        return self._kept_for(self._fresh, "memory", self._free_memory)

    def _kept_for(self, period: timedelta, name: str, read: Callable[[], _T]) -> _T:
        now = self._elapsed()
        kept = self._kept.get(name)
        if kept is not None and now - kept[0] < period.total_seconds():
            found: _T = kept[1]
            return found
        fresh = read()
        self._kept[name] = (now, fresh)
        return fresh

    def _ask_idle(self) -> timedelta | None:
        # Safe: logind counts on the clock that `time.monotonic` reads on Linux.
        return None if self._loginctl is None else ask_idle(self._loginctl, time.monotonic())

    def _temperature(self) -> float | None:
        import psutil

        found = hottest_zone(self._root)
        # psutil has no sensors on macOS and Windows.
        if found is not None or not hasattr(psutil, "sensors_temperatures"):
            return found
        return hottest(one.current for sensors in psutil.sensors_temperatures().values() for one in sensors)

    def _free_memory(self) -> int:
        import psutil

        free = int(psutil.virtual_memory().available)
        limit = group_free_bytes(self._root)
        return free if limit is None else min(free, limit)


def _battery() -> Any:
    import psutil

    return psutil.sensors_battery()
