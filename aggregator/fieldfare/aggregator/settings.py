"""What an operator may set. Every field has a default that suits one machine."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fieldfare.core.errors import ConfigError
from fieldfare.core.rounds import PaceSettings

__all__ = ["ServerSettings"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Bounds and time limits of an aggregator.

    Attributes:
        pace: when devices that have nothing to do come back.
        max_artifact_bytes: largest plan or checkpoint that a task may bring.
        receipt_wait: how long a report waits for a snapshot before it is answered "pending".
        report_time_limit: how long the stream of one report may take.
        chunk_time_limit: how long one report may send nothing.
        max_reports: reports that are read at the same time; further ones are told to try again.
        max_ingest_bytes: payload bytes that are held at the same time; one report is always let in.
        max_streams: calls at the same time on one connection.
        max_connection_age: a connection is asked to reconnect after this, so that balancers can move it.
        keep_checkpoints: newest versions kept for each task beside version 0; 0 keeps all.
        shutdown_grace: how long a shutdown waits for reports in progress.
        retry_first: wait before a failed write to storage is tried again; doubles from there.
        retry_longest: no such wait is longer.
        tls_cert: PEM file with the certificate chain of the device port; None serves without TLS.
        tls_key: PEM file with its private key.

    Raises:
        ConfigError: a field out of its bounds; a certificate without its key, or the other way round.
    """

    pace: PaceSettings = field(default_factory=PaceSettings)
    max_artifact_bytes: int = 2**30
    receipt_wait: timedelta = timedelta(seconds=1)
    report_time_limit: timedelta = timedelta(minutes=10)
    chunk_time_limit: timedelta = timedelta(seconds=30)
    max_reports: int = 1024
    max_ingest_bytes: int = 256 * 2**20
    max_streams: int = 1024
    max_connection_age: timedelta = timedelta(hours=1)
    keep_checkpoints: int = 0
    shutdown_grace: timedelta = timedelta(seconds=5)
    retry_first: timedelta = timedelta(milliseconds=200)
    retry_longest: timedelta = timedelta(seconds=30)
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        for name in ("max_artifact_bytes", "max_reports", "max_ingest_bytes", "max_streams"):
            if getattr(self, name) < 1:
                raise ConfigError("must be at least 1", field=name)
        if self.keep_checkpoints < 0:
            raise ConfigError("must be 0 (all) or more", field="keep_checkpoints")
        for name in ("report_time_limit", "chunk_time_limit", "max_connection_age", "retry_first", "retry_longest"):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError("must be a positive duration", field=name)
        for name in ("receipt_wait", "shutdown_grace"):
            if getattr(self, name) < timedelta(0):
                raise ConfigError("must not be negative", field=name)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("TLS needs both --tls-cert and --tls-key", field="tls_cert")
