"""Whose address a call comes from, and what stands in the audit log of it."""

import pytest

from fieldfare.aggregator.service.guards._calls import method_name, peer_address
from fieldfare.aggregator.service.guards._subjects import about
from fieldfare.protos.v1 import admin_pb2, aggregator_pb2


@pytest.mark.parametrize(
    ("peer", "address", "local"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1", True),
        ("ipv4:192.0.2.7:4711", "192.0.2.7", False),
        ("ipv6:[::1]:4711", "::1", True),
        ("ipv6:%5B::1%5D:4711", "::1", True),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64", False),
        ("ipv6:%5B2001:db8:1:2::9%5D:4711", "2001:db8:1:2::/64", False),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::/64", False),
        ("ipv6:[::ffff:192.0.2.7]:4711", "192.0.2.7", False),
        ("ipv6:[::ffff:127.0.0.1]:4711", "127.0.0.1", True),
        ("unix:/run/fieldfare", "unix:/run/fieldfare", True),
        ("something else", "something else", False),
    ],
)
def test_addresses(peer: str, address: str, local: bool) -> None:
    assert peer_address(peer) == (address, local)


def test_methods() -> None:
    assert method_name("/fieldfare.protos.v1.Admin/ListTasks") == "ListTasks"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (None, ("", "")),
        (admin_pb2.ListAuditRecordsRequest(), ("", "")),
        (admin_pb2.GetTaskRequest(task="t"), ("t", "")),
        (admin_pb2.ControlTaskRequest(task="t", action=1), ("t", "pause")),
        (admin_pb2.ControlTaskRequest(task="t", action=77), ("t", "77")),
        (admin_pb2.RevokeDeviceRequest(device_id=b"\x01\x02"), ("0102", "")),
        (admin_pb2.ListDevicesRequest(population="p"), ("p", "")),
        (aggregator_pb2.FetchArtifactRequest(sha256=b"\x03"), ("03", "")),
    ],
)
def test_what_a_call_is_about(message: object, expected: tuple[str, str]) -> None:
    assert about(message) == expected  # type: ignore[arg-type]
