"""gRPC servers with the bounds that every port of the aggregator has, and the addresses on which they listen."""

from typing import Any

import grpc

from fieldfare.aggregator.ports import why_not_bound
from fieldfare.aggregator.service import Uncopied
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.addresses import Address
from fieldfare.core.errors import ConfigError

__all__ = ["ADMIN_MESSAGE_BYTES", "DEVICE_MESSAGE_BYTES", "bind", "grpc_server"]

DEVICE_MESSAGE_BYTES = 2 * 2**20
"""Largest message on the port that devices call."""
ADMIN_MESSAGE_BYTES = 64 * 2**20
"""Largest message on the port of administration."""


def grpc_server(
    settings: ServerSettings, message_bytes: int, *interceptors: grpc.aio.ServerInterceptor
) -> "grpc.aio.Server":
    """A server without services, within the bounds that the settings set.

    Args:
        settings: connections, streams and calls.
        message_bytes: largest message, either way.
        interceptors: what stands before its services, the first one outermost.
    """
    return grpc.aio.server(
        options=_options(settings, message_bytes),
        interceptors=(*interceptors, Uncopied()),
        maximum_concurrent_rpcs=settings.limits.max_calls,
    )


def bind(server: "grpc.aio.Server", address: Address, credentials: grpc.ServerCredentials | None) -> str:
    """Have the server listen once it starts.

    Returns:
        Where it will: "127.0.0.1:43211".

    Raises:
        ConfigError: a port that is taken, a certificate that is none.
    """
    if (why := why_not_bound(address)) is not None:
        raise ConfigError(why)
    try:
        if credentials is None:
            bound = server.add_insecure_port(str(address))
        else:
            bound = server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        # Someone was faster than we; or the certificate is none.
        raise ConfigError(why_not_bound(address) or f"cannot listen on {address}: {error}") from error
    if bound == 0:
        raise ConfigError(why_not_bound(address) or f"cannot listen on {address}")
    return str(Address(address.host, bound))


def _options(settings: ServerSettings, message_bytes: int) -> list[tuple[str, Any]]:
    age = settings.limits.max_connection_age
    return [
        # Without this, a second server on the same port would share it unnoticed.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        ("grpc.max_concurrent_streams", settings.limits.max_streams),
        # A device that has vanished without a word is noticed after a minute and a half.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 30_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # Who connects and says nothing, or has nothing more to say, is cut.
        ("grpc.server_handshake_timeout_ms", round(settings.limits.chunk_time_limit.total_seconds() * 1000)),
        ("grpc.max_connection_idle_ms", round(settings.limits.max_connection_idle.total_seconds() * 1000)),
        ("grpc.max_connection_age_ms", round(age.total_seconds() * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.limits.report_time_limit.total_seconds() * 1000)),
    ]
