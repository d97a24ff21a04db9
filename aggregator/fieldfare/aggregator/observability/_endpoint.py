"""Where Prometheus fetches: HTTP on a port of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import ClassVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import MetricsHandler

from fieldfare.aggregator.ports import why_not_bound
from fieldfare.core.addresses import Address
from fieldfare.core.errors import ConfigError

_TIMEOUT_S = 10
_MOST_AT_ONCE = 8


class _Server(ThreadingHTTPServer):
    """Answers a few scrapes at a time; a connection beyond those is closed at once."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, where: tuple[str, int], handler: type[MetricsHandler]) -> None:
        self._free = threading.Semaphore(_MOST_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        super().__init__(where, handler)

    def process_request(self, request: object, client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)  # type: ignore[arg-type]
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that hung up or was too slow is no error of ours."""


@contextmanager
def metrics_endpoint(address: Address, registry: CollectorRegistry) -> Iterator[str]:
    """Serve the registry while the body runs.

    Yields:
        Where: "127.0.0.1:8472".

    Raises:
        ConfigError: the address cannot be had.
    """
    if (why := why_not_bound(address)) is not None:
        raise ConfigError(why, field="observability.metrics_listen")

    class Handler(MetricsHandler):
        timeout: ClassVar[int] = _TIMEOUT_S

    Handler.registry = registry
    try:
        server = _Server((address.host, address.port), Handler)
    except OSError as error:
        message = f"cannot listen on {address}: {error.strerror or error}"
        raise ConfigError(message, field="observability.metrics_listen") from error
    thread = threading.Thread(target=server.serve_forever, name="fieldfare-metrics", daemon=True)
    thread.start()
    try:
        yield str(Address(address.host, server.server_address[1]))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
