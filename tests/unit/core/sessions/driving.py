"""Sessions carried by hand, and the messages that they are given."""

from datetime import UTC, datetime, timedelta

import numpy as np
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.encodings import FLOAT32
from fieldfare.core.metrics import MetricSum
from fieldfare.core.sessions import (
    Artifact,
    CheckIn,
    DeviceIdentity,
    FetchArtifact,
    Keep,
    KeptReport,
    RetrySettings,
    Wait,
    Work,
    WorkResult,
    participate,
)
from fieldfare.core.weights import TensorSpec
from fieldfare.protos.v1 import aggregator_pb2 as pb
from fieldfare.protos.v1.task_pb2 import (
    ALGORITHM_FEDAVG,
    ALGORITHM_SCAFFOLD,
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

    def __init__(
        self,
        kept: KeptReport | None = None,
        publishers: frozenset[bytes] = frozenset(),
        start: datetime = START,
        **settings,
    ) -> None:
        self.now = start
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
