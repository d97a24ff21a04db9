import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fieldfare.core.errors import ProtocolError
from fieldfare.core.rounds import TICKET_KEY_BYTES, Ticket, open_ticket, seal_ticket

KEY = bytes(range(TICKET_KEY_BYTES))
TICKET = Ticket(b"t" * 16, b"d" * 16, 7, 1, datetime(2026, 3, 4, 5, 6, 7, 890123, UTC))


def test_the_claims_lie_open_and_the_seal_follows():
    micros = 1772600767890123
    claims = b"\x01" + b"t" * 16 + b"d" * 16 + b"\x07\0\0\0" + b"\x01" + micros.to_bytes(8, "little")
    assert seal_ticket(KEY, TICKET) == claims + hmac.new(KEY, claims, hashlib.sha256).digest()
    assert open_ticket(KEY, seal_ticket(KEY, TICKET)) == TICKET


@pytest.mark.parametrize(
    "report_by",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 1, 1, 12, 0, 0, 1, timezone(timedelta(hours=-7))),
    ],
)
def test_times_are_exact_in_every_zone_and_century(report_by):
    ticket = Ticket(b"t" * 16, b"d" * 16, 2**32 - 1, 255, report_by)
    opened = open_ticket(KEY, seal_ticket(KEY, ticket))
    assert opened == ticket
    assert opened.report_by.tzinfo is UTC


def test_a_time_without_a_zone_is_a_mistake_and_not_local_time():
    with pytest.raises(TypeError):
        seal_ticket(KEY, Ticket(b"t" * 16, b"d" * 16, 1, 1, datetime(2026, 1, 1)))  # noqa: DTZ001


@pytest.mark.parametrize(("task_id", "device_id"), [(b"t" * 15, b"d" * 16), (b"t" * 16, b"d" * 17), (b"", b"d" * 16)])
def test_ids_of_another_length_are_not_cut_or_filled(task_id, device_id):
    with pytest.raises(ProtocolError, match="have 16 bytes"):
        seal_ticket(KEY, Ticket(task_id, device_id, 1, 1, TICKET.report_by))


def test_every_flipped_bit_is_refused():
    sealed = seal_ticket(KEY, TICKET)
    for bit in range(8 * len(sealed)):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProtocolError, match="not one of this aggregator's: check in again"):
            open_ticket(KEY, bytes(forged))


@pytest.mark.parametrize("change", [lambda s: b"", lambda s: s[:-1], lambda s: s + b"\0", lambda s: s[:46]])
def test_another_length_is_refused(change):
    with pytest.raises(ProtocolError, match="check in again"):
        open_ticket(KEY, change(seal_ticket(KEY, TICKET)))


def test_another_key_is_refused():
    with pytest.raises(ProtocolError, match="not one of this aggregator's"):
        open_ticket(bytes(32), seal_ticket(KEY, TICKET))


def test_a_ticket_of_another_version_is_refused_even_under_the_right_key():
    claims = struct.pack("<B16s16sIBQ", 2, b"t" * 16, b"d" * 16, 7, 1, 0)
    with pytest.raises(ProtocolError, match="version 2, this aggregator knows 1"):
        open_ticket(KEY, claims + hmac.digest(KEY, claims, hashlib.sha256))
