"""Which network the machine's traffic takes, and whether it costs by the byte; read from Linux without rights."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fieldfare.sdk.conditions._tools import ask_metered

_UP, _REJECT = 0x1, 0x200
_ETHERNET = "1"
_ANY = "0" * 8
_ANY_6 = "0" * 32
# A telephone at the end of a USB cable looks like a wired network.
_TETHERING_DRIVERS = frozenset({"ipheth", "rndis_host"})
_CELLULAR_NAMES = ("ppp", "rmnet", "wwan")


class NetworkKind(Enum):
    """Of the interface that holds the default route."""

    NONE = "none"
    WIRED = "wired"
    WIRELESS = "wireless"
    CELLULAR = "cellular"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Network:
    """A network.

    Attributes:
        kind: `OTHER` also where it is not known, as behind a VPN or in a container.
        metered: whether bytes cost money; None where that is not known.
    """

    kind: NetworkKind
    metered: bool | None


_OFFLINE = Network(NetworkKind.NONE, metered=None)
_UNKNOWN = Network(NetworkKind.OTHER, metered=None)
# A wireless network may be a telephone's: only the system that joined it can tell.
_METERED = {NetworkKind.WIRED: False, NetworkKind.CELLULAR: True}


def read_network(root: Path, nmcli: str | None) -> Network:
    """The network of the default route.

    Args:
        root: holds `proc/net/route`, `proc/net/ipv6_route` and `sys/class/net`.
        nmcli: NetworkManager's command, whose word on metering goes first; None where it is not installed.
    """
    if not (root / "proc/net/route").exists():
        return _UNKNOWN
    interface = _default_interface(root)
    if not interface:
        return _OFFLINE
    kind = _kind(root / "sys/class/net" / interface, interface)
    told = ask_metered(nmcli, interface) if nmcli else None
    return Network(kind, _METERED.get(kind) if told is None else told)


def _default_interface(root: Path) -> str:
    """The interface of the default route with the lowest metric, IPv4 before IPv6; empty without one."""
    routes: list[tuple[int, str]] = []
    for line in _lines(root / "proc/net/route")[1:]:
        # Iface Destination Gateway Flags RefCnt Use Metric Mask ...
        match line.split():
            case [interface, destination, _, flags, _, _, metric, mask, *_] if destination == mask == _ANY:
                if int(flags, 16) & _UP:
                    routes.append((int(metric), interface))
    if routes:
        return min(routes)[1]
    for line in _lines(root / "proc/net/ipv6_route"):
        # destination length source length next_hop metric references uses flags interface
        match line.split():
            case [destination, "00", _, _, _, metric, _, _, flags, interface] if destination == _ANY_6:
                if int(flags, 16) & _UP and not int(flags, 16) & _REJECT:
                    routes.append((int(metric, 16), interface))
    return min(routes)[1] if routes else ""


def _kind(folder: Path, name: str) -> NetworkKind:
    if (folder / "wireless").exists() or (folder / "phy80211").exists():
        return NetworkKind.WIRELESS
    if "DEVTYPE=wwan" in _lines(folder / "uevent") or name.startswith(_CELLULAR_NAMES):
        return NetworkKind.CELLULAR
    driver = folder / "device" / "driver"
    if driver.exists() and driver.resolve().name in _TETHERING_DRIVERS:
        return NetworkKind.CELLULAR
    # Safe: what has no device behind it (a bridge, a tunnel, a container's end of one) leads who knows where.
    if (folder / "device").exists() and _lines(folder / "type") == [_ETHERNET]:
        return NetworkKind.WIRED
    return NetworkKind.OTHER


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
