"""The calls that a device makes."""

import threading
from collections.abc import Iterable, Iterator
from typing import Protocol

from fieldfare.protos.v1 import aggregator_pb2


class Transport(Protocol):
    """Carries the device's three calls. Every call ends within a bounded time.

    Raises (each call):
        TransportError: the call failed on the way; `retryable` says whether to try again.
    """

    def check_in(
        self, request: aggregator_pb2.CheckInRequest, stop: threading.Event | None = None
    ) -> aggregator_pb2.CheckInResponse:
        """Offer the device.

        The aggregator may hold the call open for the request's `wait`. Once `stop` is set, the call is given up.
        """
        ...

    def fetch(
        self, request: aggregator_pb2.FetchArtifactRequest, stop: threading.Event | None = None
    ) -> Iterator[aggregator_pb2.ArtifactChunk]:
        """Download from an offset on; closing the iterator ends the call. Once `stop` is set, it is given up."""
        ...

    def report(
        self, requests: Iterable[aggregator_pb2.ReportRequest], stop: threading.Event | None = None
    ) -> aggregator_pb2.Receipt:
        """Stream a report; the aggregator may answer before it has read it all. Once `stop` is set, it is given up."""
        ...

    def enroll(self, request: aggregator_pb2.EnrollRequest) -> aggregator_pb2.AccessToken:
        """A new device: a one-time key for its first access token."""
        ...

    def refresh_token(self, request: aggregator_pb2.RefreshTokenRequest) -> aggregator_pb2.AccessToken:
        """The next access token for the device's signature."""
        ...

    def authorize(self, token: str) -> None:
        """Send this access token with every call from now on, but with the two that give one."""
        ...

    def close(self) -> None:
        """Release connections; calls that are under way fail. May be called twice."""
        ...
