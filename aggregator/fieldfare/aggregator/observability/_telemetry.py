"""Metrics and traces of what the engine and storage do."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from fieldfare.aggregator.engine import Event, EventKind, Operation
from fieldfare.aggregator.observability._registry import Metrics
from fieldfare.aggregator.observability._storage_health import StorageHealth
from fieldfare.aggregator.observability._tracing import Tracing
from fieldfare.aggregator.storage import DamagedError
from fieldfare.core.errors import FieldfareError, StorageError
from fieldfare.core.tasks import NextRound

_T = TypeVar("_T")
_ENDED = {
    EventKind.COMMITTED: "committed",
    EventKind.EVALUATED: "committed",
    EventKind.ABANDONED: "abandoned",
}


class EngineTelemetry:
    """A `Telemetry` that counts, times and traces.

    Args:
        metrics: get the figures.
        tracing: gets the spans.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing

    @contextlib.contextmanager
    def operation(self, operation: Operation, task_id: str, round_number: int) -> Iterator[None]:
        """See `Telemetry.operation`."""
        attributes = {"fieldfare.task": task_id, "fieldfare.round": round_number}
        began = time.perf_counter()
        with self._tracing.span(operation, attributes) as span:
            try:
                yield
            except FieldfareError as error:
                self._metrics.operation_errors.labels(operation).inc()
                span.failed(type(error).__name__)
                raise
            finally:
                self._metrics.operation_seconds.labels(operation).observe(time.perf_counter() - began)

    def event(self, event: Event) -> None:
        """Count what happened to a task."""
        if event.round is None:
            self._metrics.task_changes.labels(event.kind.value).inc()
        else:
            kind = "training" if event.round.kind is NextRound.TRAINING else "evaluation"
            self._metrics.rounds.labels(kind, _ENDED[event.kind]).inc()


def timed_storage(inner: _T, store: str, metrics: Metrics, health: StorageHealth) -> _T:
    """The same `Database` or `BlobStore`, every call of which is timed and every failure counted.

    Args:
        inner: what does the work.
        store: "database" or "blobs".
        metrics: get the figures.
        health: is told what failed and what worked.
    """
    # Safe: the wrapper has every attribute of what is inside.
    return cast("_T", _TimedStorage(inner, store, metrics, health))


class _TimedStorage:
    def __init__(self, inner: object, store: str, metrics: Metrics, health: StorageHealth) -> None:
        self._inner = inner
        self._store = store
        self._metrics = metrics
        self._health = health

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name.startswith("_"):
            return found
        method = self._timed(found, name)
        # The next look finds it without asking here again.
        setattr(self, name, method)
        return method

    def _timed(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        seconds = self._metrics.storage_seconds.labels(self._store, name)
        errors = self._metrics.storage_errors.labels(self._store, name)

        source = f"{self._store}.{name}"

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                result = method(*args, **kwargs)
            except StorageError as error:
                errors.inc()
                if not isinstance(error, DamagedError):
                    self._health.failed(source)
                raise
            finally:
                seconds.observe(time.perf_counter() - began)
            self._health.worked(source)
            return result

        return call
