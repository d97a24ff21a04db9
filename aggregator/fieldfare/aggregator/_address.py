"""Addresses as people write them: "127.0.0.1:8470", "[::1]:8470", "localhost:0"."""

import errno
import ipaddress
import socket

from fieldfare.core.errors import ConfigError

_MAX_PORT = 65_535


def parse_address(text: str, field: str) -> tuple[str, int]:
    """Host (without brackets) and port.

    Raises:
        ConfigError: not HOST:PORT; `field` names the setting.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ConfigError(f"needs HOST:PORT, such as 127.0.0.1:8470, got {text!r}", field=field)
    return host, int(port)


def format_address(host: str, port: int) -> str:
    """The inverse of `parse_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def why_not_bound(host: str, port: int) -> str | None:
    """One line on why a port cannot be bound, in the system's own words; None where it can. gRPC would not say."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} on {host} is taken: stop the program that has it, or choose another port"
        return f"cannot listen on {format_address(host, port)}: {error.strerror or error}"
    return None
