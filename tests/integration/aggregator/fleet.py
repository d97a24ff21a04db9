"""Devices without a runtime: they speak the protocol over real gRPC and send numbers that a test knows."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest

from fieldfare.core.metrics import MetricSum, metrics_to_proto
from fieldfare.core.weights import specs_to_proto
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc, task_pb2
from tests.unit.aggregator.world import CAPABILITIES, SPECS, device_id

ACCEPTED = aggregator_pb2.RECEIPT_STATUS_ACCEPTED
DUPLICATE = aggregator_pb2.RECEIPT_STATUS_DUPLICATE
INVALID = aggregator_pb2.RECEIPT_STATUS_INVALID
LATE = aggregator_pb2.RECEIPT_STATUS_LATE
PENDING = aggregator_pb2.RECEIPT_STATUS_PENDING
UNKNOWN = aggregator_pb2.RECEIPT_STATUS_UNKNOWN


def update_of(device: bytes, number: int) -> tuple[np.ndarray, int]:
    seed = np.random.default_rng([*device, number])
    return seed.uniform(-1, 1, 3).astype(np.float32), int(seed.integers(1, 100))


@dataclass
class Device:
    """One device; `channel` is shared."""

    index: int
    stub: aggregator_pb2_grpc.AggregatorStub
    population: str = "p"
    assignment: aggregator_pb2.Assignment | None = None

    @property
    def id(self) -> bytes:
        return device_id(self.index)

    def check_in(self) -> aggregator_pb2.Assignment | None:
        request = aggregator_pb2.CheckInRequest(
            population=self.population, device_id=self.id, capabilities=CAPABILITIES
        )
        answer = self.stub.CheckIn(request, timeout=20)
        self.assignment = answer.assignment if answer.WhichOneof("answer") == "assignment" else None
        return self.assignment

    def wait_for_work(self) -> aggregator_pb2.Assignment:
        """Ask until the round that was just committed has a successor."""
        for _ in itertools.count():
            if (assignment := self.check_in()) is not None:
                return assignment
        raise AssertionError

    def fetch(self, sha256: bytes, offset: int = 0, ticket: bytes | None = None) -> bytes:
        assert self.assignment is not None
        request = aggregator_pb2.FetchArtifactRequest(
            sha256=sha256, offset=offset, ticket=self.assignment.ticket if ticket is None else ticket
        )
        return b"".join(chunk.data for chunk in self.stub.FetchArtifact(request, timeout=20))

    def header(self, **changes: Any) -> aggregator_pb2.ReportHeader:
        assert self.assignment is not None
        _, count = update_of(self.id, self.assignment.round_number)
        header = aggregator_pb2.ReportHeader(
            ticket=self.assignment.ticket,
            device_id=self.id,
            outcome=aggregator_pb2.OUTCOME_DONE,
            example_count=count,
            metrics=metrics_to_proto({"loss": MetricSum(0.5 * count, count)}),
        )
        if self.assignment.kind == task_pb2.ROUND_KIND_TRAINING:
            header.tensors.extend(specs_to_proto(SPECS))
            header.encoding.CopyFrom(self.assignment.encoding)
            header.payload_bytes = 12
        for name, value in changes.items():
            setattr(header, name, value)
        return header

    def payload(self) -> bytes:
        assert self.assignment is not None
        if self.assignment.kind != task_pb2.ROUND_KIND_TRAINING:
            return b""
        return update_of(self.id, self.assignment.round_number)[0].tobytes()

    def report(self) -> aggregator_pb2.Receipt:
        return self.send(self.header(), self.payload())

    def report_until_settled(self) -> aggregator_pb2.Receipt:
        """Report, and ask for as long as the answer is PENDING."""
        receipt = self.report()
        while receipt.status == PENDING:
            receipt = self.ask()
        return receipt

    def ask(self) -> aggregator_pb2.Receipt:
        return self.send(self.header(receipt_only=True), None)

    def send(
        self, header: aggregator_pb2.ReportHeader, payload: bytes | None, digest: bytes | None = None, cut: bool = False
    ) -> aggregator_pb2.Receipt:
        def parts() -> Iterator[aggregator_pb2.ReportRequest]:
            yield aggregator_pb2.ReportRequest(header=header)
            if payload is None:
                return
            for start in range(0, len(payload), 8):
                yield aggregator_pb2.ReportRequest(data=payload[start : start + 8])
            if not cut:
                sha256 = hashlib.sha256(payload).digest() if digest is None else digest
                yield aggregator_pb2.ReportRequest(trailer=aggregator_pb2.ReportTrailer(sha256=sha256))

        return self.stub.Report(parts(), timeout=20)


def send_damaged(device: Device) -> aggregator_pb2.Receipt:
    """The receipt of a device whose link damages every copy of its report."""
    for _ in range(2):
        with pytest.raises(grpc.RpcError, match="does not match its digest: send it again") as error:
            device.send(device.header(), device.payload(), digest=b"?" * 32)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    return device.send(device.header(), device.payload(), digest=b"?" * 32)


def connect(address: str) -> aggregator_pb2_grpc.AggregatorStub:
    return aggregator_pb2_grpc.AggregatorStub(grpc.insecure_channel(address))
