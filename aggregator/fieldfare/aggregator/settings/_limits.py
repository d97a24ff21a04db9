"""Bounds on what comes in."""

from dataclasses import dataclass
from datetime import timedelta

from fieldfare.aggregator.settings._checks import at_least_one, not_negative, positive


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds on sizes, times and concurrency of calls.

    Attributes:
        max_artifact_bytes: largest plan or checkpoint that a task may bring.
        max_ingest_bytes: payload bytes that are held at the same time; one report is always let in.
        max_reports: reports that are read at the same time; further ones are told to try again.
        report_time_limit: how long the stream of one report may take, beside the time for its payload.
        report_bytes_per_s: at least so fast must the payload of a report come on the whole.
        chunk_time_limit: how long a caller may send nothing of its request, or take nothing of its answer.
        max_streams: calls at the same time on one connection.
        max_calls: calls at the same time on one port; further ones are told to try again.
        max_connection_idle: a connection without calls is closed after this.
        max_connection_age: a connection is asked to reconnect after this, so that balancers can move it.
        shutdown_grace: how long a shutdown waits for reports in progress.

    Raises:
        ConfigError: a field out of its bounds.
    """

    max_artifact_bytes: int = 2**30
    max_ingest_bytes: int = 256 * 2**20
    max_reports: int = 1024
    report_time_limit: timedelta = timedelta(minutes=10)
    report_bytes_per_s: int = 4096
    chunk_time_limit: timedelta = timedelta(seconds=30)
    max_streams: int = 1024
    max_calls: int = 16_384
    max_connection_idle: timedelta = timedelta(minutes=10)
    max_connection_age: timedelta = timedelta(hours=1)
    shutdown_grace: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        at_least_one(
            "limits",
            self,
            "max_artifact_bytes",
            "max_ingest_bytes",
            "max_reports",
            "report_bytes_per_s",
            "max_streams",
            "max_calls",
        )
        positive("limits", self, "report_time_limit", "chunk_time_limit", "max_connection_idle", "max_connection_age")
        not_negative("limits", self, "shutdown_grace")
