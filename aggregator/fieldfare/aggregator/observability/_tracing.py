"""OpenTelemetry traces, where an operator asked for them; otherwise nothing of OpenTelemetry is imported."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fieldfare.core.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_SHUTDOWN_MS = 2_000
_EXPORT_S = 3


class Span(Protocol):
    """What is told of one piece of work."""

    @property
    def trace_id(self) -> str:
        """In hex; empty where the work is not traced."""
        ...

    def failed(self, description: str) -> None:
        """It came to no good end."""
        ...


class Tracing(Protocol):
    """Makes spans.

    Attributes:
        on: False where spans lead nowhere, so that nobody needs to make any.
    """

    on: bool

    def span(
        self, name: str, attributes: dict[str, Any], metadata: Iterable[tuple[str, Any]] = ()
    ) -> contextlib.AbstractContextManager[Span]:
        """The body is one piece of work, within the one in which it runs.

        Args:
            name: of few different ones.
            attributes: ids; never a ticket, a device's id or a value.
            metadata: of the call that brought it about; its "traceparent" (W3C Trace Context) goes on.
        """
        ...

    def close(self) -> None:
        """Send what is not sent yet."""
        ...


class _NoSpan:
    trace_id = ""

    def failed(self, description: str) -> None:
        """Nobody is told."""


_NO_SPAN = _NoSpan()


class NoTracing:
    """A `Tracing` that makes none."""

    on = False

    @contextlib.contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002
        attributes: dict[str, Any],  # noqa: ARG002
        metadata: Iterable[tuple[str, Any]] = (),  # noqa: ARG002
    ) -> Iterator[Span]:
        """See `Tracing.span`."""
        yield _NO_SPAN

    def close(self) -> None:
        """See `Tracing.close`."""


def open_tracing(endpoint: str | None, ratio: float, version: str) -> Tracing:
    """Traces to a collector, over OTLP and gRPC.

    Args:
        endpoint: "http://HOST:PORT" or "https://HOST:PORT"; None for no traces.
        ratio: share of calls that are traced, unless the caller's own trace decides.
        version: of the service, as traces name it.

    Raises:
        ConfigError: the extra otel is not installed.
    """
    if endpoint is None:
        return NoTracing()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        message = f"traces need the extra otel ({error.name} is missing): pip install 'fieldfare[otel]'"
        raise ConfigError(message, field="observability.otlp_endpoint") from error
    return OpenTelemetry(
        OTLPSpanExporter(endpoint, insecure=endpoint.startswith("http://"), timeout=_EXPORT_S), ratio, version
    )


class OpenTelemetry:
    """A `Tracing` with OpenTelemetry's SDK.

    Args:
        exporter: sends spans.
        ratio: share of calls that are traced.
        version: of the service.
    """

    def __init__(self, exporter: "SpanExporter", ratio: float, version: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": "fieldfare-aggregator", "service.version": version})
        # Not the process's global provider: several aggregators may live in one process.
        self._provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fieldfare.aggregator", version)
        self._propagator = TraceContextTextMapPropagator()
        self.on = True

    @contextlib.contextmanager
    def span(self, name: str, attributes: dict[str, Any], metadata: Iterable[tuple[str, Any]] = ()) -> Iterator[Span]:
        """See `Tracing.span`."""
        carrier = {key: value for key, value in metadata if key in {"traceparent", "tracestate"}}
        context = self._propagator.extract(carrier) if carrier else None
        with self._tracer.start_as_current_span(
            name, context, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield _OpenTelemetrySpan(span)

    def close(self) -> None:
        """See `Tracing.close`."""
        self._provider.force_flush(_SHUTDOWN_MS)
        self._provider.shutdown()


class _OpenTelemetrySpan:
    def __init__(self, span: Any) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """See `Span.trace_id`."""
        context = self._span.get_span_context()
        return f"{context.trace_id:032x}" if context.trace_flags.sampled else ""

    def failed(self, description: str) -> None:
        """See `Span.failed`."""
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, description)
