"""Addresses as people write them: "127.0.0.1:8470", "[::1]:8470", "localhost:0"."""

import ipaddress
import re
from dataclasses import dataclass

from fieldfare.core.errors import ConfigError

__all__ = ["Address", "parse_address"]

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or IP address, without brackets) and a port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it cannot be another machine: localhost, 127.0.0.0/8 or ::1."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, field: str, lowest_port: int = 1) -> Address:
    """Read "host:port" or "[IPv6]:port".

    Args:
        text: as a person wrote it.
        field: the setting, for the message.
        lowest_port: 0 where the system may choose the port.

    Raises:
        ConfigError: anything else.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or not lowest_port <= int(match["port"]) <= _MAX_PORT:
        raise ConfigError(f"{text!r} is no address: expected HOST:PORT, such as 127.0.0.1:8470", field=field)
    return Address(match["host"].strip("[]"), int(match["port"]))
