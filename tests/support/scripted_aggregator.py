"""A real gRPC server on a loopback port that answers as a test tells it to."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from fieldfare.core.encodings import FLOAT32
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.core.weights import sha256
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc, task_pb2, tensors_pb2

CHUNK = 1000


@dataclass
class Seen:
    """A report as it came in."""

    header: aggregator_pb2.ReportHeader
    payload: bytes = b""
    trailer: aggregator_pb2.ReportTrailer | None = None


@dataclass
class ScriptedAggregator(aggregator_pb2_grpc.AggregatorServicer):
    """Hands out `assignments` in order, then sends devices away; answers reports with `receipts` in order."""

    assignments: deque[aggregator_pb2.Assignment] = field(default_factory=deque)
    receipts: deque[int] = field(default_factory=deque)
    artifacts: dict[bytes, bytes] = field(default_factory=dict)
    cuts: deque[int] = field(default_factory=deque)
    """Each download ends with UNAVAILABLE after so many bytes, until there are no more cuts."""
    come_back_after: timedelta = timedelta(milliseconds=50)
    """For who asks while there is no assignment."""
    answer_early: bool = False
    hold: threading.Event = field(default_factory=threading.Event)
    """A report that is read to its end while this is set never gets an answer."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set once a report was read to its end."""
    check_ins: list[aggregator_pb2.CheckInRequest] = field(default_factory=list)
    fetches: list[aggregator_pb2.FetchArtifactRequest] = field(default_factory=list)
    reports: list[Seen] = field(default_factory=list)
    bytes_in: int = 0
    port: int = 0
    tls: tuple[bytes, bytes] | None = None
    """Private key and certificate, PEM."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen on a free port, or on the one it had before."""
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        aggregator_pb2_grpc.add_AggregatorServicer_to_server(self, self._server)
        if self.tls is None:
            self.port = self._server.add_insecure_port(self.address)
        else:
            self.port = self._server.add_secure_port(self.address, grpc.ssl_server_credentials([self.tls]))
        self._server.start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def offer(self, plan: bytes, checkpoint: bytes, **changes: Any) -> aggregator_pb2.Assignment:
        """Queue an assignment; `changes` replace fields."""
        fields: dict[str, Any] = {
            "ticket": f"ticket-{len(self.assignments)}-{len(self.check_ins)}".encode(),
            "task_id": "task-1",
            "round_number": 3,
            "kind": task_pb2.ROUND_KIND_TRAINING,
            "plan": self._artifact(plan),
            "checkpoint_version": 2,
            "checkpoint": self._artifact(checkpoint),
            "local": LocalTrainingSpec().to_proto(),
            "algorithm": task_pb2.ALGORITHM_FEDAVG,
            "encoding": FLOAT32,
            "report_within": _duration(timedelta(minutes=5)),
            "max_abs_value": 256.0,
        }
        assignment = aggregator_pb2.Assignment(**(fields | changes))
        self.assignments.append(assignment)
        return assignment

    def CheckIn(self, request: aggregator_pb2.CheckInRequest, _context: Any) -> aggregator_pb2.CheckInResponse:  # noqa: N802
        self._count(request)
        self.check_ins.append(request)
        if self.assignments:
            return aggregator_pb2.CheckInResponse(assignment=self.assignments.popleft())
        answer = aggregator_pb2.ComeBack(after=_duration(self.come_back_after), reason="no task")
        return aggregator_pb2.CheckInResponse(come_back=answer)

    def FetchArtifact(  # noqa: N802
        self, request: aggregator_pb2.FetchArtifactRequest, context: Any
    ) -> Iterator[aggregator_pb2.ArtifactChunk]:
        self._count(request)
        self.fetches.append(request)
        content = self.artifacts[request.sha256]
        cut = self.cuts.popleft() if self.cuts else None
        for start in range(request.offset, len(content), CHUNK):
            if cut is not None and start - request.offset >= cut:
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            yield aggregator_pb2.ArtifactChunk(offset=start, data=content[start : start + CHUNK])

    def Report(self, requests: Iterable[aggregator_pb2.ReportRequest], context: Any) -> aggregator_pb2.Receipt:  # noqa: N802
        seen: Seen | None = None
        for request in requests:
            self._count(request)
            if request.HasField("header"):
                seen = Seen(request.header)
                self.reports.append(seen)
                if self.answer_early:
                    break
            elif seen is not None and request.HasField("trailer"):
                seen.trailer = request.trailer
            elif seen is not None:
                seen.payload += request.data
        self.arrived.set()
        held = self.hold.is_set()
        while held and context.is_active():
            time.sleep(0.01)
        if held:
            context.abort(grpc.StatusCode.CANCELLED, "held")
        status = self.receipts.popleft() if self.receipts else aggregator_pb2.RECEIPT_STATUS_ACCEPTED
        after = _duration(timedelta(milliseconds=50))
        return aggregator_pb2.Receipt(status=status, detail="as scripted", come_back_after=after)

    def _artifact(self, content: bytes) -> tensors_pb2.ArtifactRef:
        digest = sha256(content)
        self.artifacts[digest] = content
        return tensors_pb2.ArtifactRef(sha256=digest, size_bytes=len(content))

    def _count(self, message: Message) -> None:
        with self._lock:
            self.bytes_in += message.ByteSize()


def _duration(value: timedelta) -> Duration:
    proto = Duration()
    proto.FromTimedelta(value)
    return proto
