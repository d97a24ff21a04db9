"""What one device after the other calls, through the transport that ships."""

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fieldfare.core.errors import ProtocolError, StorageError
from fieldfare.core.sessions import Artifact, KeptReport
from fieldfare.protos.v1 import aggregator_pb2, tensors_pb2
from fieldfare.sdk.cache import ArtifactCache
from fieldfare.sdk.transport import ReportStream, Transport

# Safe: the aggregator's own folder keeps every checkpoint too, and workers may be about to read any of these.
_NO_LIMIT = 2**62


class DeviceCalls:
    """Makes the calls of all devices, one after the other, over one connection.

    Args:
        transport: carries them.
        fetched: folder that gets each artifact, under the hexadecimal digest of its content, as it came for the first
            time; what comes again is checked and let go.
    """

    def __init__(self, transport: Transport, fetched: Path) -> None:
        self._transport = transport
        self._fetched = fetched
        self._cache = ArtifactCache(fetched, _NO_LIMIT)

    def check_in(self, request: aggregator_pb2.CheckInRequest) -> aggregator_pb2.CheckInResponse:
        """Offer a device.

        Raises:
            TransportError: the call failed.
        """
        return self._transport.check_in(request)

    def fetch(self, ref: tensors_pb2.ArtifactRef, ticket: bytes) -> None:
        """Download an artifact as a whole.

        Raises:
            TransportError: the download failed.
            ProtocolError: what came is not the artifact.
            StorageError: it cannot be written.
        """

        def open_stream(offset: int) -> Iterator[aggregator_pb2.ArtifactChunk]:
            request = aggregator_pb2.FetchArtifactRequest(sha256=ref.sha256, offset=offset, ticket=ticket)
            return self._transport.fetch(request)

        artifact = Artifact(ref.sha256, ref.size_bytes)
        if self._cache.path(artifact) is None:
            self._cache.fetch(artifact, open_stream)
        else:
            _check(artifact, open_stream(0))

    def adopt(self, folder: Path) -> None:
        """Take these artifacts for fetched: an earlier process has handed them to devices that are at work still.

        Args:
            folder: on the same disk; files under the hexadecimal digest of their content.

        Raises:
            StorageError: they cannot be had.
        """
        try:
            self._fetched.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                if not (self._fetched / path.name).exists():
                    os.link(path, self._fetched / path.name)
        except OSError as error:
            raise StorageError(f"{self._fetched} cannot be filled from {folder}: {error.strerror or error}") from error

    def report(self, header: aggregator_pb2.ReportHeader, payload: bytes, now: datetime) -> aggregator_pb2.Receipt:
        """Send a report.

        Raises:
            TransportError: the call failed.
        """
        return self._transport.report(ReportStream(_kept(header, payload, now)))

    def ask(self, header: aggregator_pb2.ReportHeader, now: datetime) -> aggregator_pb2.Receipt:
        """Ask what became of a report that was sent.

        Raises:
            TransportError: the call failed.
        """
        return self._transport.report(ReportStream(_kept(header, b"", now), receipt_only=True))


def _kept(header: aggregator_pb2.ReportHeader, payload: bytes, now: datetime) -> KeptReport:
    # Task, round and deadline are for a device's disk and ledger: they do not travel.
    return KeptReport(header, payload, "", 0, now)


def _check(artifact: Artifact, chunks: Iterator[aggregator_pb2.ArtifactChunk]) -> None:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        data = chunk.data  # once: each look at a message's bytes is a copy of them
        digest.update(data)
        size += len(data)
    if (size, digest.digest()) != (artifact.size_bytes, artifact.sha256):
        raise ProtocolError(f"the download of {artifact.hex[:12]} is not what was asked for")
