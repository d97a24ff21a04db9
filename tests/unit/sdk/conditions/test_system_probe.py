"""What the machine tells, read from a tree of files like that of a Linux machine, and from this machine itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.sdk.conditions import Network, NetworkKind, SystemProbe
from fieldfare.sdk.conditions._linux import group_free_bytes, hottest_zone
from fieldfare.sdk.conditions._load import Load, Times

HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
NO_TOOL = "/absent/tool"
ANY_6 = "0" * 32


class Tree:
    """A root of files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, path: str, content: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content)

    def routes(self, *rows: tuple[str, str, str, int]) -> None:
        """Interface, destination, flags, metric."""
        lines = [
            f"{name}\t{to}\t0102000A\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n" for name, to, flags, metric in rows
        ]
        self.file("proc/net/route", HEADER + "".join(lines))

    def wired(self, name: str, driver: str = "e1000e") -> None:
        self.file(f"sys/class/net/{name}/type", "1\n")
        self.file(f"sys/class/net/{name}/uevent", f"INTERFACE={name}\nIFINDEX=2\n")
        (self.root / "drivers" / driver).mkdir(parents=True)
        (self.root / f"sys/class/net/{name}/device").mkdir()
        (self.root / f"sys/class/net/{name}/device/driver").symlink_to(self.root / "drivers" / driver)

    def tool(self, name: str, script: str) -> str:
        self.file(name, f"#!/bin/sh\n{script}\n")
        (self.root / name).chmod(0o755)
        return str(self.root / name)

    def network(self, nmcli: str = NO_TOOL) -> Network:
        return SystemProbe(self.root, nmcli=nmcli).network()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_no_route_is_no_network_and_no_table_is_not_known(tree: Tree) -> None:
    assert tree.network() == Network(NetworkKind.OTHER, metered=None)
    tree.routes()
    assert tree.network() == Network(NetworkKind.NONE, metered=None)
    tree.routes(("eth0", "0002000A", "0001", 0), ("eth0", "00000000", "0002", 0))
    assert tree.network().kind is NetworkKind.NONE


def test_the_default_route_with_the_lowest_metric_counts(tree: Tree) -> None:
    tree.routes(("wlan0", "00000000", "0003", 600), ("eth0", "00000000", "0003", 100))
    tree.wired("eth0")
    (tree.root / "sys/class/net/wlan0/wireless").mkdir(parents=True)
    assert tree.network() == Network(NetworkKind.WIRED, metered=False)
    tree.routes(("wlan0", "00000000", "0003", 600))
    assert tree.network() == Network(NetworkKind.WIRELESS, metered=None)


def test_a_route_of_ipv6_alone(tree: Tree) -> None:
    tree.routes()
    tree.wired("eth0")
    refused = f"{ANY_6} 00 {ANY_6} 00 {ANY_6} ffffffff 00000001 00000000 00200200       lo\n"
    tree.file("proc/net/ipv6_route", refused)
    assert tree.network().kind is NetworkKind.NONE
    tree.file("proc/net/ipv6_route", f"{ANY_6} 00 {ANY_6} 00 {ANY_6} 00000400 1 0 00000003     eth0\n{refused}")
    assert tree.network() == Network(NetworkKind.WIRED, metered=False)


def test_kinds_of_interfaces(tree: Tree) -> None:
    def kind(name: str) -> NetworkKind:
        tree.routes((name, "00000000", "0003", 0))
        return tree.network().kind

    tree.file("sys/class/net/usb7/uevent", "DEVTYPE=wwan\nINTERFACE=usb7\n")
    tree.wired("usb0", driver="rndis_host")
    tree.file("sys/class/net/veth1/type", "1\n")
    tree.file("sys/class/net/tun0/type", "65534\n")
    (tree.root / "sys/class/net/wlp3s0/phy80211").mkdir(parents=True)
    assert kind("usb7") is NetworkKind.CELLULAR
    assert kind("ppp0") is NetworkKind.CELLULAR
    assert kind("usb0") is NetworkKind.CELLULAR
    assert kind("veth1") is NetworkKind.OTHER
    assert kind("tun0") is NetworkKind.OTHER
    assert kind("wlp3s0") is NetworkKind.WIRELESS
    assert tree.network() == Network(NetworkKind.WIRELESS, metered=None)


@pytest.mark.parametrize(
    ("script", "metered"),
    [
        ("echo 'GENERAL.METERED:yes (guessed)'", True),
        ("echo 'GENERAL.METERED:no'", False),
        ("echo 'GENERAL.METERED:unknown'", None),
        ("echo 'GENERAL.METERED:no'; exit 10", None),
        ("printf '\\377'", None),
    ],
)
def test_network_manager_knows_what_a_wireless_network_costs(tree: Tree, script: str, metered: bool | None) -> None:
    tree.routes(("wlan0", "00000000", "0003", 0))
    (tree.root / "sys/class/net/wlan0/wireless").mkdir(parents=True)
    arguments = tree.root / "arguments"
    nmcli = tree.tool("nmcli", f'echo "$@" > {arguments}; {script}')
    assert tree.network(nmcli) == Network(NetworkKind.WIRELESS, metered=metered)
    assert arguments.read_text() == "-t -f GENERAL.METERED device show wlan0\n"


def test_network_manager_goes_before_what_the_kind_suggests(tree: Tree) -> None:
    tree.routes(("eth0", "00000000", "0003", 0))
    tree.wired("eth0")
    assert tree.network(tree.tool("nmcli", "echo GENERAL.METERED:yes")) == Network(NetworkKind.WIRED, metered=True)


def test_people_at_work_as_logind_tells(tree: Tree) -> None:
    def idle(script: str) -> timedelta | None:
        return SystemProbe(tree.root, loginctl=tree.tool("loginctl", script)).user_idle()

    assert idle("echo IdleSinceHintMonotonic=5; echo IdleHint=no") == timedelta(0)
    assert idle("echo IdleHint=yes; echo IdleSinceHintMonotonic=0") == timedelta.max
    # A second after the machine came up, in microseconds: since then it has run for longer than that.
    since = idle("echo IdleHint=yes; echo IdleSinceHintMonotonic=1000000")
    assert since is not None
    assert timedelta(0) < since < timedelta(days=36500)
    for script in ("exit 1", "echo IdleHint=yes", "echo IdleHint=perhaps", "echo IdleHint=yes; exit 1"):
        assert idle(script) is None
    assert SystemProbe(tree.root, loginctl=NO_TOOL).user_idle() is None


def test_an_application_may_know_its_user_better() -> None:
    answers = [timedelta(seconds=3), None]
    probe = SystemProbe(user_idle=lambda: answers.pop(0))
    assert (probe.user_idle(), probe.user_idle()) == (timedelta(seconds=3), None)


def test_the_hottest_zone_that_makes_sense(tree: Tree) -> None:
    assert hottest_zone(tree.root) is None
    for number, text in enumerate(("48312\n", "-274000\n", "200000\n", "none\n", "0\n")):
        tree.file(f"sys/class/thermal/thermal_zone{number}/temp", text)
    assert SystemProbe(tree.root).temperature_celsius() == pytest.approx(48.312)


def test_the_memory_that_a_control_group_leaves(tree: Tree) -> None:
    assert group_free_bytes(tree.root) is None
    tree.file("proc/self/cgroup", "1:memory:/old\n0::/system.slice/device.service\n")
    assert group_free_bytes(tree.root) is None
    unit = "sys/fs/cgroup/system.slice/device.service"
    tree.file(f"{unit}/memory.max", "max\n")
    tree.file(f"{unit}/memory.current", "90\n")
    assert group_free_bytes(tree.root) is None
    tree.file(f"{unit}/memory.max", "100\n")
    assert group_free_bytes(tree.root) == 10
    tree.file(f"{unit}/memory.stat", "anon 50\ninactive_file 30\nactive_file 10\n")
    assert group_free_bytes(tree.root) == 40
    # The slice that it is in has a limit too, and less is left of that.
    tree.file("sys/fs/cgroup/system.slice/memory.max", "100")
    tree.file("sys/fs/cgroup/system.slice/memory.current", "110")
    assert group_free_bytes(tree.root) == 0
    assert SystemProbe(tree.root).free_memory_bytes() == 0


def test_load_is_what_others_use() -> None:
    times = [Times(100, 50, 10), Times(110, 58, 13), Times(110, 58, 13), Times(120, 58.5, 13.5)]
    load = Load(lambda: times.pop(0), lambda: 1.75)
    # At first the mean over the last minute, which may be more than the machine has.
    assert load() == 1.0
    # Of 10 seconds 8 were busy, 3 of them here.
    assert load() == pytest.approx(0.5)
    # No time has passed: as before.
    assert load() == pytest.approx(0.5)
    assert load() == pytest.approx(0.0)


def test_a_reading_is_kept_for_a_while(tree: Tree) -> None:
    clock = [0.0]
    probe = SystemProbe(tree.root, nmcli=NO_TOOL, elapsed=lambda: clock[0])
    tree.file("sys/class/thermal/thermal_zone0/temp", "40000")
    tree.routes()
    assert probe.temperature_celsius() == 40
    assert probe.network().kind is NetworkKind.NONE
    tree.file("sys/class/thermal/thermal_zone0/temp", "50000")
    tree.routes(("wwan0", "00000000", "0003", 0))
    clock[0] = 0.9
    assert probe.temperature_celsius() == 40
    clock[0] = 1.0
    assert probe.temperature_celsius() == 50
    assert probe.network().kind is NetworkKind.NONE
    clock[0] = 10.0
    assert probe.network() == Network(NetworkKind.CELLULAR, metered=True)


def test_this_machine_can_be_asked() -> None:
    probe = SystemProbe()
    assert probe.on_power() in {True, False, None}
    percent, load, free = probe.battery_percent(), probe.cpu_load(), probe.free_memory_bytes()
    assert percent is not None
    assert load is not None
    assert free is not None
    assert 0 <= percent <= 100
    assert 0 <= load <= 1
    assert free > 0
    assert isinstance(probe.network(), Network)
