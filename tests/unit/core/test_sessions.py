from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ProtocolError, StorageError, TransportError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.sessions import (
    Artifact,
    AskReceipt,
    CheckIn,
    DeviceIdentity,
    Ended,
    FetchArtifact,
    Forget,
    Keep,
    KeepControl,
    KeptReport,
    Participation,
    RetrySettings,
    Send,
    Wait,
    Work,
    WorkResult,
    participate,
    read_assignment,
)
from fieldfare.core.signing import MAX_PLAN_SIGNATURES, sign_plan
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.core.weights import TensorSpec
from fieldfare.protos.v1 import aggregator_pb2 as pb
from fieldfare.protos.v1.encoding_pb2 import Encoding
from fieldfare.protos.v1.task_pb2 import (
    ALGORITHM_FEDAVG,
    ALGORITHM_SCAFFOLD,
    ROUND_KIND_EVALUATION,
    ROUND_KIND_TRAINING,
)
from fieldfare.protos.v1.tensors_pb2 import ArtifactRef

START = datetime(2026, 1, 1, tzinfo=UTC)
S = timedelta(seconds=1)
SPECS = (TensorSpec("w", "float32", (2,)),)
PLAN, CHECKPOINT = Artifact(b"p" * 32, 1000), Artifact(b"c" * 32, 20)
DONE = WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(2.5, 5)}, np.array([1.0, -2.0], "f4"))

TWO = WorkResult(pb.OUTCOME_DONE, 5, None, np.array([1.0, -2.0, 0.5, 3.0], "f4"))
SCAFFOLD = {"algorithm": ALGORITHM_SCAFFOLD}
CONTROL = ArtifactRef(sha256=b"k" * 32, size_bytes=30)


def offer(**changes) -> pb.Assignment:
    fields = {
        "ticket": b"ticket",
        "task_id": "task",
        "round_number": 3,
        "kind": ROUND_KIND_TRAINING,
        "plan": ArtifactRef(sha256=b"p" * 32, size_bytes=1000),
        "checkpoint_version": 2,
        "checkpoint": ArtifactRef(sha256=b"c" * 32, size_bytes=20),
        "algorithm": ALGORITHM_FEDAVG,
        "encoding": FLOAT32,
        "report_within": Duration(seconds=60),
        "max_abs_value": 256,
    }
    return pb.Assignment(**{**fields, **changes})


def answer(**changes) -> pb.CheckInResponse:
    return pb.CheckInResponse(assignment=offer(**changes))


def receipt(name: str, seconds: float = 7, detail: str = "") -> pb.Receipt:
    proto = pb.Receipt(status=f"RECEIPT_STATUS_{name}", detail=detail)
    proto.come_back_after.FromTimedelta(timedelta(seconds=seconds))
    return proto


class Drive:
    """Carries a session by hand; the clock moves with `Wait` only."""

    def __init__(self, kept: KeptReport | None = None, publishers: frozenset[bytes] = frozenset(), **settings) -> None:
        self.now = START
        self.capabilities = pb.Capabilities(sdk="test")
        identity = DeviceIdentity("people", b"d" * 16, self.capabilities, publishers)
        self.session = participate(
            identity,
            lambda _: SPECS,
            kept=kept,
            now=lambda: self.now,
            uniform=lambda: 0.5,
            settings=RetrySettings(**settings),
        )
        self.action = next(self.session)

    def expect(self, kind: type, result=None):
        """The present action is of `kind`; give it `result` and return it."""
        action = self.action
        assert isinstance(action, kind), action
        if isinstance(action, Wait):
            self.now += action.duration
        self._step(lambda: self.session.throw(result) if isinstance(result, Exception) else self.session.send(result))
        return action

    def _step(self, go) -> None:
        try:
            self.action = go()
        except StopIteration as stop:
            self.action = stop.value

    def to_work(self, **changes) -> "Drive":
        self.expect(CheckIn, answer(**changes))
        self.expect(FetchArtifact)
        self.expect(FetchArtifact)
        return self

    def to_send(self, result: WorkResult = DONE, **changes) -> "Drive":
        self.to_work(**changes).expect(Work, result)
        self.expect(Keep)
        return self


def kept_report() -> KeptReport:
    return Drive().to_send().action.report


def test_check_in_says_who_calls_and_what_it_speaks():
    drive = Drive()
    request = drive.action.request
    assert request == pb.CheckInRequest(
        population="people",
        device_id=b"d" * 16,
        capabilities=pb.Capabilities(protocol_version=1, sdk="test"),
        wait=Duration(seconds=20),
    )
    assert not Drive(wait=0 * S).action.request.HasField("wait")


def test_idle():
    drive = Drive()
    drive.expect(CheckIn, pb.CheckInResponse(come_back=pb.ComeBack(after=Duration(seconds=42), reason="no task")))
    assert drive.action == Participation(Ended.IDLE, 42 * S, "no task")


def test_counted():
    drive = Drive()
    drive.expect(CheckIn, answer())
    assert drive.expect(FetchArtifact) == FetchArtifact(PLAN, b"ticket")
    assert drive.expect(FetchArtifact) == FetchArtifact(CHECKPOINT, b"ticket")
    work = drive.expect(Work, DONE)
    assert work.deadline == START + 60 * S
    report = drive.expect(Keep).report
    assert report.header == pb.ReportHeader(
        ticket=b"ticket",
        device_id=b"d" * 16,
        outcome=pb.OUTCOME_DONE,
        example_count=5,
        metrics=[{"name": "loss", "sum": 2.5, "weight": 5}],
        tensors=[{"name": "w", "dtype": 1, "shape": [2]}],
        encoding=FLOAT32,
        payload_bytes=8,
    )
    assert report.payload == bytes.fromhex("0000803f000000c0")
    assert (report.task_id, report.round_number) == ("task", 3)
    assert drive.expect(Send, receipt("ACCEPTED")).report is report
    drive.expect(Forget)
    assert drive.action == Participation(Ended.COUNTED, 7 * S, "", work.assignment, DONE.metrics)


def test_the_deadline_runs_from_the_answer_and_not_from_the_work():
    drive = Drive()
    drive.expect(CheckIn, answer())
    drive.now += 50 * S
    drive.expect(FetchArtifact)
    drive.expect(FetchArtifact)
    assert drive.action.deadline == START + 60 * S


def test_an_evaluation_reports_metrics_only():
    drive = Drive().to_send(WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(2.5, 5)}))
    header = drive.action.report.header
    assert (header.payload_bytes, len(header.tensors), drive.action.report.payload) == (0, 0, b"")
    assert not header.HasField("encoding")
    assert [one.name for one in header.metrics] == ["loss"]


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


SIGNED = sign_plan(bytes(32), b"p" * 32)
OTHER = sign_plan(b"o" * 32, b"p" * 32)


def test_a_plan_of_a_trusted_publisher_is_worked_with():
    drive = Drive(publishers=frozenset([SIGNED.public_key])).to_send(plan_signatures=[OTHER, SIGNED])
    drive.expect(Send, receipt("ACCEPTED"))


@pytest.mark.parametrize(
    "signatures", [[], [OTHER], [sign_plan(bytes(32), b"x" * 32)], [OTHER] * MAX_PLAN_SIGNATURES + [SIGNED]]
)
def test_any_other_plan_is_given_up_before_a_byte_of_it_is_fetched(signatures):
    drive = Drive(publishers=frozenset([SIGNED.public_key]))
    drive.expect(CheckIn, answer(plan_signatures=signatures))
    report = drive.expect(Send, receipt("ACCEPTED")).report
    assert report.header == pb.ReportHeader(ticket=b"ticket", device_id=b"d" * 16, outcome=pb.OUTCOME_FAILED)
    assert drive.action.ended is Ended.WITHDRAWN
    assert "not signed by a publisher that this device trusts" in drive.action.detail


@pytest.mark.parametrize("outcome", [pb.OUTCOME_TOO_FEW_EXAMPLES, pb.OUTCOME_CONDITIONS, pb.OUTCOME_FAILED])
def test_withdrawn(outcome):
    drive = Drive().to_work()
    drive.expect(Work, WorkResult(outcome, detail="battery"))
    report = drive.expect(Send, receipt("ACCEPTED", 8)).report
    assert report.header == pb.ReportHeader(ticket=b"ticket", device_id=b"d" * 16, outcome=outcome)
    assert report.payload == b""
    assert (drive.action.ended, drive.action.come_back_after, drive.action.detail) == (
        Ended.WITHDRAWN,
        8 * S,
        "battery",
    )


def test_withdrawn_from_an_aggregator_that_is_away():
    drive = Drive(tries=1).to_work()
    drive.expect(Work, WorkResult(pb.OUTCOME_CONDITIONS))
    drive.expect(Send, TransportError("gone"))
    assert (drive.action.ended, drive.action.come_back_after) == (Ended.WITHDRAWN, 0.75 * S)


@pytest.mark.parametrize(
    ("changes", "result", "words"),
    [
        ({}, WorkResult(pb.OUTCOME_DONE, 5, None, np.array([np.nan, 0], "f4")), "NaN"),
        ({}, WorkResult(pb.OUTCOME_DONE, 5, None, np.array([257, 0], "f4")), "beyond 256"),
        ({"encoding": FLOAT16}, WorkResult(pb.OUTCOME_DONE, 5, None, np.array([1e6, 0], "f4")), "float16"),
        ({"max_norm": 2.2}, DONE, "norm 2.23607, beyond 2.2"),
        ({"max_norm": 2.5, "algorithm": ALGORITHM_SCAFFOLD}, TWO, "norm 3.04138, beyond 2.5"),
        ({"algorithm": ALGORITHM_SCAFFOLD}, replace(DONE, vector=np.zeros(3, "f4")), "3 values, which are not 2"),
        ({}, WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(float("nan"), 5)}), "finite sum"),
        ({}, WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(1, 0)}), "positive finite weight"),
    ],
)
def test_what_the_aggregator_would_refuse_is_withdrawn_as_failed_and_not_uploaded(changes, result, words):
    drive = Drive().to_work(**changes)
    drive.expect(Work, result)
    report = drive.expect(Send, receipt("ACCEPTED")).report
    assert report.header == pb.ReportHeader(ticket=b"ticket", device_id=b"d" * 16, outcome=pb.OUTCOME_FAILED)
    assert report.payload == b""
    assert drive.action.ended is Ended.WITHDRAWN
    assert words in drive.action.detail


def test_the_servers_control_variate_is_fetched_where_there_is_one():
    drive = Drive()
    drive.expect(CheckIn, answer(**SCAFFOLD, control=CONTROL))
    assert [drive.expect(FetchArtifact).artifact for _ in range(3)] == [PLAN, CHECKPOINT, Artifact(b"k" * 32, 30)]
    assert drive.expect(Work, DONE).assignment.control == Artifact(b"k" * 32, 30)
    # Nobody else needs it: not another algorithm, and no evaluation.
    for changes in ({}, {**SCAFFOLD, "kind": ROUND_KIND_EVALUATION}):
        assert read_assignment(offer(**changes, control=CONTROL), max_artifact_bytes=1000).control is None


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


def test_an_evaluation_of_a_scaffold_task_has_no_control_variate():
    drive = Drive().to_send(WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(2.5, 5)}), **SCAFFOLD)
    drive.expect(Send, receipt("ACCEPTED"))
    drive.expect(Forget)


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


def test_an_empty_answer_is_a_newer_protocol():
    with pytest.raises(ProtocolError, match=r"empty.*upgrade"):
        Drive().expect(CheckIn, pb.CheckInResponse())


@pytest.mark.parametrize("status", [0, 99])
def test_a_receipt_of_an_unknown_kind_is_a_newer_protocol(status):
    drive = Drive().to_send()
    with pytest.raises(ProtocolError, match=f"status {status}, which this version does not know; upgrade"):
        drive.expect(Send, pb.Receipt(status=status))


def test_an_assignment_is_read_in_full():
    assignment = read_assignment(offer(local={"epochs": 2, "learning_rate": 0.5}), max_artifact_bytes=1000)
    assert (assignment.ticket, assignment.task_id, assignment.round_number) == (b"ticket", "task", 3)
    assert (assignment.kind, assignment.algorithm) == (NextRound.TRAINING, Algorithm.FEDAVG)
    assert (assignment.plan, assignment.checkpoint, assignment.checkpoint_version) == (PLAN, CHECKPOINT, 2)
    assert assignment.local == LocalTrainingSpec(epochs=2, learning_rate=0.5)
    assert (assignment.encoding, assignment.report_within, assignment.max_abs_value) == (FLOAT32, 60 * S, 256.0)
    assert assignment.plan.hex == "70" * 32


def test_the_bounds_of_an_assignment_are_accepted():
    proto = offer(ticket=b"t" * 4096, task_id="x" * 64, report_within=Duration(seconds=7 * 86_400), encoding=Encoding())
    assert read_assignment(proto, max_artifact_bytes=1000).report_within == timedelta(days=7)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ticket": b""}, "no usable ticket or task id"),
        ({"ticket": b"t" * 4097}, "no usable ticket"),
        ({"task_id": ""}, "no usable ticket or task id"),
        ({"task_id": "x" * 65}, "task id"),
        ({"kind": 0}, "cannot do: 0 is not a valid NextRound"),
        ({"kind": 99}, "99 is not a valid NextRound"),
        ({"algorithm": 0}, "0 is not a valid Algorithm"),
        ({"algorithm": 99}, "99 is not a valid Algorithm"),
        ({"local": {"epochs": 0}}, "local.epochs"),
        ({"local": {"learning_rate": float("nan")}}, "local.learning_rate"),
        ({"encoding": Encoding.FromString(b"\x0a\x02\x1a\x00")}, "stage that this version does not know"),
        ({"encoding": Encoding(stages=[*FLOAT16.stages, *FLOAT16.stages])}, "do not go together"),
        ({"report_within": Duration()}, "no time to report"),
        ({"report_within": Duration(seconds=-1)}, "no time to report"),
        ({"report_within": Duration(seconds=7 * 86_400 + 1)}, "more than 7 days"),
        ({"report_within": Duration(seconds=10**12)}, "more than 7 days"),
        ({"report_within": Duration(seconds=2**62)}, "cannot do"),
        ({"max_abs_value": 0}, "no value to report"),
        ({"max_abs_value": float("nan")}, "no value"),
        ({"max_abs_value": float("inf")}, "no value"),
        ({"max_norm": -1.0}, "bound of the norm"),
        ({"max_norm": float("nan")}, "bound of the norm"),
        ({**SCAFFOLD, "control": ArtifactRef(sha256=b"k")}, "control variate has no digest"),
        ({"local": {"proximal_mu": -1.0}}, "local.proximal_mu"),
        ({"plan": ArtifactRef(sha256=b"p" * 31, size_bytes=1)}, "plan has no digest"),
        ({"plan": ArtifactRef(sha256=b"p" * 32)}, "plan has no digest, or not 1 to 1000 bytes"),
        ({"checkpoint": ArtifactRef(sha256=b"p" * 32, size_bytes=1001)}, "checkpoint has no digest, or not 1 to 1000"),
    ],
)
def test_an_assignment_that_cannot_be_kept(changes, words):
    with pytest.raises(ProtocolError, match=words):
        read_assignment(offer(**changes), max_artifact_bytes=1000)


def test_a_session_fetches_no_more_than_its_settings_allow():
    with pytest.raises(ProtocolError, match="not 1 to 999 bytes"):
        Drive(max_artifact_bytes=999).expect(CheckIn, answer())
