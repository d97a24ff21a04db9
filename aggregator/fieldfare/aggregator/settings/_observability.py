"""What the aggregator shows of itself."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from fieldfare.aggregator.settings._checks import need, positive
from fieldfare.core.addresses import parse_address

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class ObservabilitySettings:
    """What the aggregator shows of itself.

    Attributes:
        log_format: of the log on standard error: text for people, json (an object a line) for machines.
        log_level: records below this level are not written.
        metrics_listen: where Prometheus fetches metrics over plain HTTP, such as "127.0.0.1:8472"; none serves none.
        otlp_endpoint: OpenTelemetry collector (OTLP over gRPC) that traces are sent to, such as
            "http://127.0.0.1:4317"; https:// uses TLS; none makes none. Needs the extra otel.
        trace_ratio: share of calls that are traced, 0 to 1.
        unhealthy_after: health turns NOT_SERVING once storage has failed for so long.
        probe_interval: how often storage is asked whether it still answers.

    Raises:
        ConfigError: a field out of its bounds.
    """

    log_format: LogFormat = "text"
    log_level: LogLevel = "warning"
    metrics_listen: str | None = None
    otlp_endpoint: str | None = None
    trace_ratio: float = 1.0
    unhealthy_after: timedelta = timedelta(seconds=30)
    probe_interval: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        positive("observability", self, "unhealthy_after", "probe_interval")
        need(0 <= self.trace_ratio <= 1, "observability", "trace_ratio", "must be 0 to 1")
        if self.metrics_listen is not None:
            parse_address(self.metrics_listen, field="observability.metrics_listen", lowest_port=0)
        if self.otlp_endpoint is not None:
            known = self.otlp_endpoint.startswith(("http://", "https://"))
            need(known, "observability", "otlp_endpoint", "must begin with http:// or https://")
