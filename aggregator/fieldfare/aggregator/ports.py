"""Why a port cannot be had."""

import errno
import socket

from fieldfare.core.addresses import Address

__all__ = ["why_not_bound"]


def why_not_bound(address: Address) -> str | None:
    """One line on why an address cannot be bound, in the system's own words; None where it can. gRPC would not say."""
    try:
        family, kind, protocol, _, found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            where = f"port {address.port} on {address.host}"
            return f"{where} is taken: stop the program that has it, or choose another port"
        return f"cannot listen on {address}: {error.strerror or error}"
    except UnicodeError:
        # What `getaddrinfo` raises for a name that the domain name system cannot carry.
        return f"cannot listen on {address}: a part of the host's name is empty or too long"
    return None
