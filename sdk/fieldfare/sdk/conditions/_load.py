"""How much of the processors other processes use."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Processor seconds since some moment, all processors together.

    Attributes:
        total: seconds that passed, times the number of processors.
        busy: seconds of any work.
        own: seconds of this process's work.
    """

    total: float
    busy: float
    own: float


def read_times() -> Times:
    """The operating system's count."""
    import psutil

    all_of_them, own = psutil.cpu_times(), psutil.Process().cpu_times()
    # Safe: what guests use is in user time already; waiting for a disk is no work.
    counted = {name: value for name, value in all_of_them._asdict().items() if not name.startswith("guest")}
    idle = counted["idle"] + counted.get("iowait", 0.0)
    total = sum(counted.values())
    return Times(total, total - idle, own.user + own.system)


class Load:
    """The others' share since the reading before; at first the system's mean over the last minute.

    Args:
        read: takes the times.
        average: the system's load average: how many processes want a processor, over how many there are.
    """

    def __init__(self, read: Callable[[], Times] = read_times, average: Callable[[], float] | None = None) -> None:
        self._read, self._average = read, average or _minute_average
        self._before: Times | None = None
        self._share = 0.0

    def __call__(self) -> float:
        """0 to 1."""
        now, before = self._read(), self._before
        if before is None:
            self._before, self._share = now, self._average()
        elif now.total > before.total:
            others = (now.busy - before.busy) - (now.own - before.own)
            self._before, self._share = now, others / (now.total - before.total)
        return min(max(self._share, 0.0), 1.0)


def _minute_average() -> float:
    import psutil

    return float(psutil.getloadavg()[0]) / (psutil.cpu_count() or 1)
