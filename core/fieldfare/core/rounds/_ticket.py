"""The ticket of an assignment: who may report what, sealed by the aggregator.

A ticket carries its own claims and an HMAC-SHA256 over them, so that nothing is written at check-in, a restarted
aggregator still knows its assignments, and replicas that share the key can take each other's reports.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fieldfare.core.errors import ProtocolError

TICKET_KEY_BYTES = 32
_CLAIMS = struct.Struct("<B16s16sIBQ")
_VERSION = 1
_MAC_BYTES = 32
_ID_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an assignment allows.

    Attributes:
        task_id: 16 bytes.
        device_id: 16 bytes.
        round_number: the task's round.
        kind: code of `RoundKind`.
        report_by: end of the report, timezone-aware, to the microsecond.
    """

    task_id: bytes
    device_id: bytes
    round_number: int
    kind: int
    report_by: datetime


def seal_ticket(key: bytes, ticket: Ticket) -> bytes:
    """The bytes that a device carries; opaque to it.

    Raises:
        ProtocolError: an id that has not 16 bytes.
    """
    if len(ticket.task_id) != _ID_BYTES or len(ticket.device_id) != _ID_BYTES:
        raise ProtocolError(f"ids of tasks and devices have {_ID_BYTES} bytes")
    micros = (ticket.report_by - _EPOCH) // timedelta(microseconds=1)
    claims = _CLAIMS.pack(_VERSION, ticket.task_id, ticket.device_id, ticket.round_number, ticket.kind, micros)
    return claims + hmac.digest(key, claims, hashlib.sha256)


def open_ticket(key: bytes, sealed: bytes) -> Ticket:
    """Check the seal and read the claims.

    Raises:
        ProtocolError: forged, damaged, sealed with another key, or of another version.
    """
    claims, mac = sealed[: _CLAIMS.size], sealed[_CLAIMS.size :]
    if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, hmac.digest(key, claims, hashlib.sha256)):
        raise ProtocolError("the ticket is not one of this aggregator's: check in again")
    version, task_id, device_id, round_number, kind, micros = _CLAIMS.unpack(claims)
    if version != _VERSION:
        raise ProtocolError(f"the ticket has version {version}, this aggregator knows {_VERSION}: check in again")
    return Ticket(task_id, device_id, round_number, kind, _EPOCH + timedelta(microseconds=micros))
