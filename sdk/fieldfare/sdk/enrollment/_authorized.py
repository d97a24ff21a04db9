"""The transport of an enrolled device: every call carries a token, which is renewed in time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from fieldfare.core.errors import AuthenticationError
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.enrollment._enroll import enroll, micros, refresh
from fieldfare.sdk.enrollment._membership import Member, Membership
from fieldfare.sdk.transport import LedgeredTransport

_T = TypeVar("_T")
_MARGIN_MICROS = 60 * 10**6


class AuthorizedTransport:
    """Gives each call its access token. A device that never enrolled, and has no key to, calls without one.

    Args:
        inner: carries and records the messages.
        membership: the device's.
        device_id: the device's id; asked for when it is needed.
        now: the present, timezone-aware.
        key: a one-time key, used where the device is not enrolled yet.
    """

    def __init__(
        self,
        inner: LedgeredTransport,
        membership: Membership,
        device_id: Callable[[], bytes],
        now: Callable[[], datetime],
        key: str = "",
    ) -> None:
        self._inner = inner
        self._membership = membership
        self._device_id = device_id
        self._now = now
        self._key = key

    def remember(self, ticket: bytes, task: str, round_number: int) -> None:
        """See `LedgeredTransport.remember`."""
        self._inner.remember(ticket, task, round_number)

    def check_in(
        self, request: aggregator_pb2.CheckInRequest, stop: threading.Event | None = None
    ) -> aggregator_pb2.CheckInResponse:
        """Offer the device."""
        return self._with_token(lambda: self._inner.check_in(request, stop))

    def fetch(
        self, request: aggregator_pb2.FetchArtifactRequest, stop: threading.Event | None = None
    ) -> Iterator[aggregator_pb2.ArtifactChunk]:
        """Download. A token that ends in between does no harm: it is looked at when the call begins."""
        self._authorize()
        return self._inner.fetch(request, stop)

    def report(
        self, requests: Iterable[aggregator_pb2.ReportRequest], stop: threading.Event | None = None
    ) -> aggregator_pb2.Receipt:
        """Stream a report."""
        return self._with_token(lambda: self._inner.report(requests, stop))

    def close(self) -> None:
        """Close the transport; the ledger stays open."""
        self._inner.close()

    def _with_token(self, call: Callable[[], _T]) -> _T:
        """Make the call; where its token is refused although it should be valid, once more with a new one."""
        member = self._authorize()
        try:
            return call()
        except AuthenticationError:
            if member is None:
                raise
            self._authorize(replace(member, token=""))
            return call()

    def _authorize(self, member: Member | None = None) -> Member | None:
        member = member or self._membership.read()
        now = self._now()
        if member is None:
            if not self._key:
                return None
            member = enroll(self._inner, self._membership, self._device_id(), self._key, now)
        left = member.expires_micros - micros(now) - member.clock_behind_micros
        if not member.token or left < _MARGIN_MICROS:
            member = refresh(self._inner, self._membership, member, self._device_id(), now)
        self._inner.authorize(member.token)
        return member
