"""From check-in to the first report: what a device does, and what it refuses to do."""

from dataclasses import replace

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ProtocolError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.sessions import (
    Artifact,
    CheckIn,
    Ended,
    FetchArtifact,
    Forget,
    Keep,
    Participation,
    Send,
    Work,
    WorkResult,
    read_assignment,
)
from fieldfare.core.signing import MAX_PLAN_SIGNATURES, sign_plan
from fieldfare.protos.v1 import aggregator_pb2 as pb
from fieldfare.protos.v1.task_pb2 import (
    ALGORITHM_SCAFFOLD,
    ROUND_KIND_EVALUATION,
)
from fieldfare.protos.v1.tensors_pb2 import ArtifactRef
from tests.unit.core.sessions.driving import (
    CHECKPOINT,
    CONTROL,
    DONE,
    PLAN,
    SCAFFOLD,
    START,
    TWO,
    Drive,
    S,
    answer,
    offer,
    receipt,
)


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


def test_the_app_is_told_more_than_the_aggregator():
    own = {"after/loss": MetricSum(1.0, 2)}
    drive = Drive().to_send(replace(DONE, own_metrics=own))
    assert [one.name for one in drive.expect(Send, receipt("ACCEPTED")).report.header.metrics] == ["loss"]
    drive.expect(Forget)
    assert drive.action.metrics == {**DONE.metrics, **own}


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
        assert read_assignment(offer(**changes, control=CONTROL)).control is None


def test_an_evaluation_of_a_scaffold_task_has_no_control_variate():
    drive = Drive().to_send(WorkResult(pb.OUTCOME_DONE, 5, {"loss": MetricSum(2.5, 5)}), **SCAFFOLD)
    drive.expect(Send, receipt("ACCEPTED"))
    drive.expect(Forget)


def test_an_empty_answer_is_a_newer_protocol():
    with pytest.raises(ProtocolError, match=r"version 1 of the protocol.*upgrade the SDK"):
        Drive().expect(CheckIn, pb.CheckInResponse())


@pytest.mark.parametrize(
    ("most", "changes", "words"),
    [
        (999, {}, "has 1000 bytes, and this device fetches at most 999"),
        (1000, {"checkpoint": ArtifactRef(sha256=b"c" * 32, size_bytes=2**63)}, "has 9223372036854775808 bytes"),
        (1000, {**SCAFFOLD, "control": ArtifactRef(sha256=b"k" * 32, size_bytes=1001)}, "has 1001 bytes"),
    ],
)
def test_what_is_too_large_is_given_up_before_a_byte_of_it_is_fetched(most, changes, words):
    drive = Drive(max_artifact_bytes=most)
    drive.expect(CheckIn, answer(**changes))
    assert drive.expect(Send, receipt("ACCEPTED", 8)).report.header.outcome == pb.OUTCOME_FAILED
    assert (drive.action.ended, drive.action.come_back_after) == (Ended.WITHDRAWN, 8 * S)
    assert words in drive.action.detail


def test_a_peers_words_are_shown_on_one_short_line():
    drive = Drive()
    shown = "no" + "\x1b[2J\n\tway " + "x" * 5000
    drive.expect(CheckIn, pb.CheckInResponse(come_back=pb.ComeBack(reason=shown)))
    assert drive.action.detail == ("no[2J way " + "x" * 5000)[:300]
