"""`Observability`: metrics, traces and health of one aggregator, together."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import TypeVar

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.observability._collector import TaskCollector
from fieldfare.aggregator.observability._endpoint import metrics_endpoint
from fieldfare.aggregator.observability._health import Health
from fieldfare.aggregator.observability._interceptor import CallWatcher
from fieldfare.aggregator.observability._registry import Metrics
from fieldfare.aggregator.observability._storage_health import StorageHealth
from fieldfare.aggregator.observability._telemetry import EngineTelemetry, timed_storage
from fieldfare.aggregator.observability._tracing import open_tracing
from fieldfare.aggregator.settings import ObservabilitySettings, StorageSettings
from fieldfare.core.addresses import parse_address

_T = TypeVar("_T")


class Observability:
    """What watches an aggregator. Close it last.

    Args:
        settings: what is shown, and where.
        storage: how long failed writes wait for their next try.

    Attributes:
        telemetry: for the engine.
        health: for the ports.

    Raises:
        ConfigError: traces are wanted, and the extra otel is not installed.
    """

    def __init__(self, settings: ObservabilitySettings, storage: StorageSettings) -> None:
        version = metadata.version("fieldfare")
        self._settings = settings
        self._metrics = Metrics(version)
        self._tracing = open_tracing(settings.otlp_endpoint, settings.trace_ratio, version)
        # Who has failed and does not try again within this is not waiting for storage any more.
        forget = settings.unhealthy_after + 2 * max(storage.retry_longest, settings.probe_interval)
        self._storage = StorageHealth(settings.unhealthy_after, forget)
        self.telemetry = EngineTelemetry(self._metrics, self._tracing)
        self.health = Health(self._storage, self._metrics)

    def timed(self, inner: _T, store: str) -> _T:
        """The same `Database` ("database") or `BlobStore` ("blobs"), watched."""
        return timed_storage(inner, store, self._metrics, self._storage)

    def watcher(self, key: bytes) -> CallWatcher:
        """The outermost interceptor of a server; the key of the aggregator keys the hashes of device ids in the log."""
        return CallWatcher(self._metrics, self._tracing, hashlib.blake2b(key, person=b"log key").digest())

    @contextlib.contextmanager
    def endpoint(self, engine: Engine, waiting: Callable[[], int]) -> Iterator[str]:
        """Serve metrics while the body runs, where the settings say so.

        Args:
            engine: what it does is looked up at each scrape.
            waiting: how many check-ins are held open.

        Yields:
            Where, "127.0.0.1:8472"; empty where they are not served.

        Raises:
            ConfigError: the address cannot be had.
        """
        self._metrics.registry.register(TaskCollector(engine.load, engine.devices, waiting))
        if self._settings.metrics_listen is None:
            yield ""
            return
        address = parse_address(self._settings.metrics_listen, field="observability.metrics_listen", lowest_port=0)
        with metrics_endpoint(address, self._metrics.registry) as where:
            yield where

    def close(self) -> None:
        """Send the traces that are not sent yet."""
        self._tracing.close()
