"""A kept report until its receipt: sent, asked for, sent again, forgotten."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ProtocolError, TransportError
from fieldfare.core.sessions import (
    AskReceipt,
    Ended,
    Forget,
    KeepControl,
    Participation,
    Send,
    Wait,
)
from fieldfare.protos.v1 import aggregator_pb2 as pb
from tests.unit.core.sessions.driving import DONE, SCAFFOLD, START, TWO, Drive, S, kept_report, receipt


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("ACCEPTED", Ended.COUNTED),
        ("DUPLICATE", Ended.COUNTED),
        ("LATE", Ended.LATE),
        ("INVALID", Ended.REFUSED),
    ],
)
def test_final_receipts_forget_the_report(status, ended):
    drive = Drive().to_send()
    drive.expect(Send, receipt(status, 9, "because"))
    drive.expect(Forget)
    assert (drive.action.ended, drive.action.come_back_after, drive.action.detail) == (ended, 9 * S, "because")


def test_pending_is_asked_for_until_it_is_settled():
    drive = Drive().to_send()
    report = drive.expect(Send, receipt("PENDING", 3)).report
    assert drive.expect(Wait) == Wait(3 * S, "the report is in; its receipt waits for more devices")
    assert drive.expect(AskReceipt, receipt("PENDING", 4)).report is report
    assert drive.expect(Wait) == Wait(4 * S, "the report is in; its receipt waits for more devices")
    drive.expect(AskReceipt, receipt("ACCEPTED"))
    drive.expect(Forget)
    assert drive.action.ended is Ended.COUNTED


def test_an_aggregator_that_lost_the_report_is_sent_it_again_at_once():
    drive = Drive().to_send()
    drive.expect(Send, receipt("PENDING"))
    drive.expect(Wait)
    drive.expect(AskReceipt, receipt("UNKNOWN"))
    drive.expect(Send, receipt("UNKNOWN", 2))
    assert drive.expect(Wait) == Wait(2 * S, "the aggregator asks for the report again")
    drive.expect(Send, receipt("ACCEPTED"))
    drive.expect(Forget)
    assert drive.action.ended is Ended.COUNTED


def test_a_receipt_that_never_comes_keeps_the_report():
    drive = Drive(longest_pending=10 * S).to_send()
    drive.expect(Send, receipt("PENDING", 6))
    assert drive.expect(Wait).duration == 6 * S
    drive.expect(AskReceipt, receipt("PENDING", 6))
    assert drive.expect(Wait).duration == 4 * S, "the last question is asked at the end of the time"
    drive.expect(AskReceipt, receipt("PENDING", 6))
    assert (drive.action.ended, drive.action.detail) == (Ended.UNREACHABLE, "no receipt yet")
    assert drive.action.come_back_after == 6 * S
    assert drive.action.metrics == DONE.metrics


def test_a_giant_delay_cannot_hold_a_session_beyond_its_time():
    drive = Drive(longest_pending=10 * S).to_send()
    drive.expect(Send, pb.Receipt(status="RECEIPT_STATUS_PENDING", come_back_after=Duration(seconds=2**62)))
    assert drive.action.duration == 10 * S


def test_a_kept_report_is_asked_for_first_and_nothing_else_is_done():
    report = kept_report()
    drive = Drive(kept=report)
    assert drive.expect(AskReceipt, receipt("DUPLICATE", 5, "counted")) == AskReceipt(report)
    drive.expect(Forget)
    assert drive.action == Participation(Ended.COUNTED, 5 * S, "counted")


def test_a_kept_report_that_never_arrived_is_sent_again():
    drive = Drive(kept=kept_report())
    drive.expect(AskReceipt, receipt("UNKNOWN"))
    drive.expect(Send, receipt("LATE"))
    drive.expect(Forget)
    assert drive.action.ended is Ended.LATE


@pytest.mark.parametrize("encoding", [FLOAT32, FLOAT16])
@pytest.mark.parametrize("status", ["ACCEPTED", "DUPLICATE"])
def test_a_counted_report_of_two_vectors_advances_the_control_variate_before_it_is_forgotten(encoding, status):
    drive = Drive().to_send(TWO, **SCAFFOLD, encoding=encoding)
    report = drive.action.report
    assert report.header.payload_bytes == len(report.payload) == (16 if encoding is FLOAT32 else 8)
    assert [one.name for one in report.header.tensors] == ["w"]
    # Also by a later session that finds it kept.
    later = Drive(kept=report)
    for one, action in ((drive, Send), (later, AskReceipt)):
        one.expect(action, receipt(status))
        kept = one.expect(KeepControl)
        assert (kept.task_id, kept.round_number, kept.delta.tolist()) == ("task", 3, [0.5, 3.0])
        one.expect(Forget)
        assert one.action.ended is Ended.COUNTED


@pytest.mark.parametrize("status", ["LATE", "INVALID"])
def test_a_report_that_does_not_count_leaves_the_control_variate(status):
    drive = Drive().to_send(TWO, **SCAFFOLD)
    drive.expect(Send, receipt(status))
    drive.expect(Forget)


@pytest.mark.parametrize("status", [0, 99])
def test_a_receipt_of_an_unknown_kind_is_a_newer_protocol(status):
    drive = Drive().to_send()
    with pytest.raises(ProtocolError, match=f"status {status}, which this version does not know; upgrade"):
        drive.expect(Send, pb.Receipt(status=status))


def test_a_report_that_is_asked_for_without_end_is_sent_a_bounded_number_of_times():
    drive = Drive(tries=3).to_send()
    for _ in range(2):
        drive.expect(Send, receipt("UNKNOWN", 2))
        drive.expect(Wait)
    drive.expect(Send, receipt("UNKNOWN", 2))
    assert (drive.action.ended, drive.action.come_back_after) == (Ended.UNREACHABLE, 2 * S)
    assert drive.action.detail == "no receipt yet"


REFUSED = TransportError("the aggregator refuses the call", retryable=False)


@pytest.mark.parametrize("hours", [-24 * 8, 1, 24 * 365])
def test_a_report_that_is_not_to_be_settled_is_dropped_once_its_time_is_over(hours):
    """Also where the clock is another one than the one by which the time was kept."""
    drive = Drive(kept=kept_report(), start=START + timedelta(hours=hours))
    drive.expect(AskReceipt, REFUSED)
    drive.expect(Forget)
    assert drive.action.ended is Ended.REFUSED
    assert drive.action.detail == (
        "the report is dropped, its time is over and it is not to be settled: the aggregator refuses the call"
    )


def test_until_then_it_is_kept():
    drive = Drive(kept=kept_report())
    drive.expect(AskReceipt, REFUSED)
    assert drive.action.ended is Ended.UNREACHABLE
    drive = Drive(kept=kept_report(), tries=1, start=START + timedelta(days=30))
    drive.expect(AskReceipt, TransportError("nobody there"))
    assert drive.action.ended is Ended.UNREACHABLE, "an aggregator that comes back may still tell"
