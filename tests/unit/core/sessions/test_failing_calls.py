"""Calls that fail, and answers that would make a device spin or stay away."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.errors import LimitError, PeerError, StorageError, TransportError
from fieldfare.core.sessions import (
    CheckIn,
    Ended,
    FetchArtifact,
    Forget,
    Participation,
    RetrySettings,
    Send,
    Wait,
    Work,
    WorkResult,
)
from fieldfare.protos.v1 import aggregator_pb2 as pb
from tests.unit.core.sessions.driving import DONE, Drive, S, answer


def test_withdrawn_from_an_aggregator_that_is_away():
    drive = Drive(tries=1).to_work()
    drive.expect(Work, WorkResult(pb.OUTCOME_CONDITIONS))
    drive.expect(Send, TransportError("gone"))
    assert (drive.action.ended, drive.action.come_back_after) == (Ended.WITHDRAWN, 0.75 * S)


def test_a_failing_call_is_tried_again_with_back_off():
    drive = Drive(tries=3)
    drive.expect(CheckIn, TransportError("one"))
    assert drive.expect(Wait) == Wait(0.75 * S, "one")
    drive.expect(CheckIn, TransportError("two"))
    assert drive.expect(Wait) == Wait(1.5 * S, "two")
    drive.expect(CheckIn, TransportError("three"))
    assert drive.action == Participation(Ended.UNREACHABLE, 3 * S, "three")


def test_a_call_that_cannot_succeed_is_not_tried_again():
    drive = Drive()
    drive.expect(CheckIn, answer())
    drive.expect(FetchArtifact, TransportError("gone for good", retryable=False))
    assert (drive.action.ended, drive.action.detail) == (Ended.UNREACHABLE, "gone for good")


def test_unreachable_with_a_report_keeps_it():
    drive = Drive(tries=1).to_send()
    drive.expect(Send, TransportError("gone"))
    assert drive.action.ended is Ended.UNREACHABLE
    assert drive.action.metrics == DONE.metrics
    assert drive.action.assignment.task_id == "task"


@pytest.mark.parametrize(
    ("failures", "uniform", "expected"),
    [
        (1, 0.0, 0.5),
        (1, 0.5, 0.75),
        (2, 0.0, 1.0),
        (4, 0.5, 6.0),
        (9, 0.0, 128.0),
        (10, 0.0, 150.0),
        (10**6, 0.5, 225.0),
    ],
)
def test_back_off_doubles_up_to_its_longest(failures, uniform, expected):
    assert RetrySettings().back_off(failures, uniform) == expected * S


def test_another_error_passes_through():
    drive = Drive().to_work()
    with pytest.raises(StorageError, match="disk full"):
        drive.expect(Work, StorageError("disk full"))


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (Duration(), 0.01),
        (Duration(seconds=-5), 0.01),
        (Duration(seconds=-(2**62)), 0.01),
        (Duration(nanos=-(2**31)), 0.01),
        (Duration(nanos=60_000_000), 0.06),
        (Duration(seconds=86_400), 86_400),
        (Duration(seconds=86_400, nanos=1_000_000), 86_400),
        (Duration(seconds=2**62, nanos=2**31 - 1), 86_400),
    ],
)
def test_no_answer_can_make_a_device_spin_or_stay_away(delay, expected):
    drive = Drive()
    drive.expect(CheckIn, pb.CheckInResponse(come_back=pb.ComeBack(after=delay)))
    assert drive.action.come_back_after == expected * S
    drive = Drive().to_send()
    drive.expect(Send, pb.Receipt(status="RECEIPT_STATUS_LATE", come_back_after=delay))
    drive.expect(Forget)
    assert drive.action.come_back_after == expected * S


def test_an_aggregator_that_says_when_to_try_again_is_heeded():
    drive = Drive(tries=3)
    drive.expect(CheckIn, LimitError("one", retry_after_s=20.5))
    assert drive.expect(Wait) == Wait(20.5 * S, "one")
    drive.expect(CheckIn, LimitError("two", retry_after_s=0.001))
    assert drive.expect(Wait) == Wait(1.5 * S, "two"), "never sooner than it would have tried by itself"
    drive.expect(CheckIn, LimitError("three", retry_after_s=9.0))
    assert drive.action == Participation(Ended.UNREACHABLE, 9 * S, "three")


@pytest.mark.parametrize(("asked", "expected"), [(301.0, 301.0), (1e12, 86_400.0), (float("inf"), 86_400.0)])
def test_a_wait_too_long_for_a_session_ends_it_and_is_bounded(asked, expected):
    drive = Drive()
    drive.expect(CheckIn, LimitError("later", retry_after_s=asked))
    assert drive.action == Participation(Ended.UNREACHABLE, expected * S, "later")


def test_a_negative_wait_is_none():
    drive = Drive(tries=1)
    drive.expect(CheckIn, LimitError("later", retry_after_s=-5.0))
    assert drive.action.come_back_after == 0.75 * S


def test_a_peer_that_is_another_one_is_left_alone_for_long():
    drive = Drive()
    drive.expect(CheckIn, PeerError("a wrong certificate"))
    assert drive.action == Participation(Ended.UNREACHABLE, timedelta(minutes=45), "a wrong certificate")
