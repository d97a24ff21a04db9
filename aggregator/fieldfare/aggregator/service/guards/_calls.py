"""What is known of a caller before the call: its address, its token."""

import ipaddress
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_BEARER = "Bearer "
_IPV6_SITE_BITS = 64


def peer_address(peer: str) -> tuple[str, bool]:
    """The address of a gRPC peer ("ipv4:127.0.0.1:4711"), and whether it is of this machine.

    Of an IPv6 address only the network counts: a site has 2^64 addresses, and one limit for all of them.
    """
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return peer, kind == "unix"
    if address.is_loopback:
        return host, True
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped), address.ipv4_mapped.is_loopback
        return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False)), False
    return host, False


def bearer_token(context: Context) -> str:
    """The token that came with the call; empty without one."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value.removeprefix(_BEARER)
    return ""


def method_name(method: str) -> str:
    """Such as "CheckIn" of "/fieldfare.protos.v1.Aggregator/CheckIn"."""
    return method.rpartition("/")[2]


def status_name(context: Context) -> str:
    """Name of the status with which the call was ended ("PERMISSION_DENIED")."""
    code = context.code()
    return next((one.name for one in grpc.StatusCode if code in {one, one.value[0]}), "UNKNOWN")
