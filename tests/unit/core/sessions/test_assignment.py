"""Assignments are read in full, or refused."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT16, FLOAT32
from fieldfare.core.errors import ProtocolError
from fieldfare.core.sessions import (
    read_assignment,
)
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec, NextRound
from fieldfare.protos.v1.encoding_pb2 import Encoding
from fieldfare.protos.v1.tensors_pb2 import ArtifactRef
from tests.unit.core.sessions.driving import CHECKPOINT, PLAN, SCAFFOLD, S, offer


def test_an_assignment_is_read_in_full():
    assignment = read_assignment(offer(local={"epochs": 2, "learning_rate": 0.5}))
    assert (assignment.ticket, assignment.task_id, assignment.round_number) == (b"ticket", "task", 3)
    assert (assignment.kind, assignment.algorithm) == (NextRound.TRAINING, Algorithm.FEDAVG)
    assert (assignment.plan, assignment.checkpoint, assignment.checkpoint_version) == (PLAN, CHECKPOINT, 2)
    assert assignment.local == LocalTrainingSpec(epochs=2, learning_rate=0.5)
    assert (assignment.encoding, assignment.report_within, assignment.max_abs_value) == (FLOAT32, 60 * S, 256.0)
    assert assignment.plan.hex == "70" * 32


def test_the_bounds_of_an_assignment_are_accepted():
    proto = offer(ticket=b"t" * 4096, task_id="x" * 64, report_within=Duration(seconds=7 * 86_400), encoding=Encoding())
    assert read_assignment(proto).report_within == timedelta(days=7)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ticket": b""}, "no usable ticket or task id"),
        ({"ticket": b"t" * 4097}, "no usable ticket"),
        ({"task_id": ""}, "no usable ticket or task id"),
        ({"task_id": "x" * 65}, "task id"),
        ({"task_id": "x\x1b[2J"}, "task id is not printable"),
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
        ({"plan": ArtifactRef(sha256=b"p" * 32)}, "plan has no digest, or no size"),
        ({"checkpoint": ArtifactRef(sha256=b"p" * 33, size_bytes=1)}, "checkpoint has no digest"),
    ],
)
def test_an_assignment_that_cannot_be_kept(changes, words):
    with pytest.raises(ProtocolError, match=words):
        read_assignment(offer(**changes))
