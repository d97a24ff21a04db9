"""Readings that psutil does not take: thermal zones, and the memory limit of a control group."""

from collections.abc import Iterable
from pathlib import Path

_MILLI = 1000
# Sensors that are broken or not there read as 0, -273 or some large number.
_LOWEST, _HIGHEST = 0.0, 150.0


def hottest_zone(root: Path) -> float | None:
    """Degrees Celsius of the hottest of `sys/class/thermal`; None where there is none that makes sense."""
    zones = (root / "sys/class/thermal").glob("thermal_zone*/temp")
    return hottest(value / _MILLI for value in map(_number, zones) if value is not None)


def hottest(values: Iterable[float]) -> float | None:
    """The highest of the temperatures that make sense."""
    return max((one for one in values if _LOWEST < one < _HIGHEST), default=None)


def group_free_bytes(root: Path) -> int | None:
    """What the control group (v2) of this process leaves it, as under systemd's MemoryMax; None without a limit.

    Pages of files that nobody has used lately are given up by the kernel before the limit is felt: they count as free.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if group is None:
        return None
    base = root / "sys/fs/cgroup"
    folders = [base / group, *(base / group).parents]
    limits = [_room(folder) for folder in folders if folder.is_relative_to(base)]
    return min((one for one in limits if one is not None), default=None)


def _room(folder: Path) -> int | None:
    limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if limit is None or used is None:
        return None
    try:
        stat = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        stat = []
    idle = dict(zip(stat[::2], stat[1::2], strict=False)).get("inactive_file", "0")
    return max(int(limit - used) + int(idle), 0)


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
