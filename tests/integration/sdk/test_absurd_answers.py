"""An aggregator whose numbers cannot be: each is bounded or refused, and the next good answer is taken."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.errors import ProtocolError
from fieldfare.core.sessions import Ended
from fieldfare.protos.v1 import aggregator_pb2 as pb
from fieldfare.protos.v1 import aggregator_pb2_grpc
from fieldfare.sdk import Device, ExampleStore
from tests.support.device_bench import QUICK, Bench
from tests.support.tiny_plan import tiny_manifest

HOUR, NEVER = Duration(seconds=3600), Duration(seconds=2**62, nanos=2**31 - 1)
NOW = 1_800_000_000_000_000


@dataclass
class Registrar(aggregator_pb2_grpc.AggregatorServicer):
    """Enrols whoever comes, with `tokens` in order and good ones after that; takes the newest good one only."""

    tokens: list[pb.AccessToken] = field(default_factory=list)
    clock: str = ""
    """What it says that its clock shows, to those whom it refuses once; where it is not empty."""
    signed: list[int] = field(default_factory=list)

    def Enroll(self, _request: pb.EnrollRequest, _context: Any) -> pb.AccessToken:  # noqa: N802
        return self._token()

    def RefreshToken(self, request: pb.RefreshTokenRequest, context: Any) -> pb.AccessToken:  # noqa: N802
        self.signed.append(request.time_micros)
        if self.clock:
            clock, self.clock = self.clock, ""
            context.set_trailing_metadata((("fieldfare-time-micros", clock),))
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "your clock is wrong")
        return self._token()

    def CheckIn(self, _request: pb.CheckInRequest, context: Any) -> pb.CheckInResponse:  # noqa: N802
        if ("authorization", "Bearer good") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no good token")
        return pb.CheckInResponse(come_back=pb.ComeBack(reason="no task"))

    def _token(self) -> pb.AccessToken:
        return self.tokens.pop(0) if self.tokens else token()


def token(text: str = "good", expires_in: Duration = HOUR, clock: int = NOW) -> pb.AccessToken:
    return pb.AccessToken(token=text, expires_in=expires_in, population="p", server_time_micros=clock)


@pytest.fixture
def registrar() -> Iterator[tuple[Registrar, str]]:
    service, server = Registrar(), grpc.server(ThreadPoolExecutor(2))
    aggregator_pb2_grpc.add_AggregatorServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ExampleStore]:
    with ExampleStore.create(tmp_path / "s.db", tiny_manifest().example_specs) as made:
        made.add({"x": np.float32([1]), "y": np.float32([2])})
        yield made


def device(store: ExampleStore, address: str) -> Device:
    folder = store.path.with_name("device")
    return Device(folder, aggregator=address, population="p", store=store, retry=QUICK, enrollment_key="key")


@pytest.mark.parametrize(
    "absurd",
    [
        token(text=""),
        token(text="x" * 5000),
        token(text="ä"),
        token(expires_in=NEVER),
        token(expires_in=Duration(seconds=-3600)),
        token(expires_in=Duration(seconds=2**40)),
        token(clock=2**64 - 1),
    ],
)
def test_a_token_that_cannot_be(registrar: tuple[Registrar, str], store: ExampleStore, absurd: pb.AccessToken) -> None:
    service, address = registrar
    service.tokens.append(absurd)
    with device(store, address) as one:
        with pytest.raises(ProtocolError, match="access token"):
            one.run_once()
        # Nothing of it was kept.
        assert one.run_once(early=True).detail == "no task"


@pytest.mark.parametrize("clock", [str(2**64 - 1), "9" * 30, "-5", "soon", str(NOW + 10**13)])
def test_a_clock_that_cannot_be(registrar: tuple[Registrar, str], store: ExampleStore, clock: str) -> None:
    service, address = registrar
    with device(store, address) as one:
        assert one.run_once().ended is Ended.IDLE
    # The token of an hour ago by a clock that has been set.
    (store.path.with_name("device") / "member.json").write_text('{"population": "p", "token": ""}')
    service.clock = clock
    with device(store, address) as one:
        one.run_once(early=True)
        assert one.run_once(early=True).detail == "no task"
    assert all(0 <= time < 2**63 for time in service.signed)


@pytest.mark.parametrize("field_name", ["clock_behind_micros", "signed_micros", "expires_micros"])
def test_a_kept_time_that_cannot_be(registrar: tuple[Registrar, str], store: ExampleStore, field_name: str) -> None:
    _, address = registrar
    with device(store, address) as one:
        assert one.run_once().ended is Ended.IDLE
    kept = store.path.with_name("device") / "member.json"
    kept.write_text(f'{{"population": "p", "token": "old", "{field_name}": {2**70}}}')
    with device(store, address) as one:
        assert one.run_once(early=True).detail == "no task"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"report_within": Duration(seconds=-1)}, "no time to report"),
        ({"report_within": NEVER}, "cannot do"),
        ({"max_abs_value": float("inf")}, "no value to report"),
        ({"max_norm": float("nan")}, "no number"),
        ({"task_id": "x" * 10**6}, "task id"),
        ({"ticket": bytes(10**6)}, "ticket"),
        ({"kind": 77}, "77"),
    ],
)
def test_an_assignment_that_cannot_be(bench: Bench, changes: dict[str, Any], words: str) -> None:
    bench.offer(**changes)
    with bench.device() as one, pytest.raises(ProtocolError, match=words):
        one.run_once()
    assert bench.aggregator.fetches == []
    assert bench.aggregator.reports == []
    bench.offer()
    with bench.device() as one:
        assert one.run_once(early=True).ended is Ended.COUNTED


def test_an_artifact_of_exabytes_is_not_begun(bench: Bench) -> None:
    bench.offer().checkpoint.size_bytes = 2**63
    gone = bench.once()
    assert gone.ended is Ended.WITHDRAWN
    assert "this device fetches at most 1073741824" in gone.detail
    assert bench.aggregator.fetches == []
    assert gone.come_back_after <= timedelta(days=1)
