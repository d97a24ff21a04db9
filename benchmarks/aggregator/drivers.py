"""Processes that call an aggregator, or a bare server in its place, as fast as they can."""

import contextlib
import hashlib
import itertools
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import grpc
import numpy as np

from fieldfare.core.weights import TensorSpec, specs_to_proto
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc

POPULATION = "bench"
_TRIES = 200
CHUNK_BYTES = 2**20  # as the SDK sends
_SPAWN = multiprocessing.get_context("spawn")
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


def device_id(index: int) -> bytes:
    """16 bytes that no other device of a benchmark has."""
    return hashlib.sha256(b"bench" + index.to_bytes(8, "little")).digest()[:16]


def check_in_request(index: int) -> aggregator_pb2.CheckInRequest:
    """A device that offers itself and does not wait."""
    capabilities = aggregator_pb2.Capabilities(protocol_version=1, encoding_stages=["float32"])
    return aggregator_pb2.CheckInRequest(population=POPULATION, device_id=device_id(index), capabilities=capabilities)


def weight_specs(size: int) -> tuple[TensorSpec, ...]:
    """One tensor with all the weights."""
    return (TensorSpec("dense/kernel", "float32", (size,)),)


def update_bytes(size: int) -> bytes:
    """The update that every device of a benchmark sends."""
    return np.random.default_rng(7).standard_normal(size, dtype=np.float32).astype("<f4").tobytes()


class Process:
    """A process of ours with a pipe to it; `ask` sends and waits for the answer.

    Args:
        target: called there with its end of the pipe and the arguments; must be importable.
        arguments: what else it gets.
    """

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    def tell(self, message: Any) -> None:
        """Send."""
        self._pipe.send(message)

    def hear(self) -> Any:
        """Wait for what it sends.

        Raises:
            EOFError: it has ended.
        """
        return self._pipe.recv()

    def close(self) -> None:
        """Tell it to end, with None, and wait."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
        self._pipe.close()


@contextmanager
def processes(*made: Process) -> Iterator[None]:
    """End the processes at the end."""
    try:
        yield
    finally:
        for one in made:
            one.close()


class Reporter:
    """Sends the same update for many devices over one connection.

    Args:
        address: of the server.
        size: weights in the update.
        threads: reports under way at the same time.
    """

    def __init__(self, address: str, size: int, threads: int) -> None:
        payload = update_bytes(size)
        self._specs = specs_to_proto(weight_specs(size))
        self._payload_bytes = len(payload)
        starts = range(0, len(payload), CHUNK_BYTES)
        self._data = [aggregator_pb2.ReportRequest(data=payload[at : at + CHUNK_BYTES]) for at in starts]
        digest = hashlib.sha256(payload).digest()
        self._trailer = aggregator_pb2.ReportRequest(trailer=aggregator_pb2.ReportTrailer(sha256=digest))
        self._stub: Any = aggregator_pb2_grpc.AggregatorStub(grpc.insecure_channel(address, _OPTIONS))
        self._pool = ThreadPoolExecutor(threads)

    def tickets(self, indices: range) -> list[bytes]:
        """Check the devices in, again where a round has not begun yet."""
        return list(self._pool.map(self._ticket, indices))

    def send(self, indices: range, tickets: list[bytes], *, settle: bool) -> list[int]:
        """Report for the devices; the statuses of the receipts, with `settle` asked for again while they are pending.

        A report that waits alone is pending until others come: before the end of a round, do not wait for all.
        """
        return list(self._pool.map(self._report, indices, tickets, itertools.repeat(settle)))

    def _ticket(self, index: int) -> bytes:
        for _ in range(_TRIES):
            answer = self._stub.CheckIn(check_in_request(index), timeout=60)
            if answer.HasField("assignment"):
                return bytes(answer.assignment.ticket)
            time.sleep(0.05)
        raise SystemExit("a device was given no work")

    def _report(self, index: int, ticket: bytes, settle: bool) -> int:
        header = aggregator_pb2.ReportHeader(ticket=ticket, device_id=device_id(index))
        question = aggregator_pb2.ReportHeader(ticket=ticket, device_id=device_id(index), receipt_only=True)
        header.outcome, header.example_count = aggregator_pb2.OUTCOME_DONE, 1
        header.tensors.extend(self._specs)
        header.payload_bytes = self._payload_bytes
        opening = aggregator_pb2.ReportRequest(header=header)
        receipt = self._stub.Report(iter([opening, *self._data, self._trailer]), timeout=120)
        while settle and receipt.status == aggregator_pb2.RECEIPT_STATUS_PENDING:
            time.sleep(0.1)
            receipt = self._stub.Report(iter([aggregator_pb2.ReportRequest(header=question)]), timeout=120)
        return int(receipt.status)


def drive_reports(pipe: Connection, size: int, threads: int) -> None:
    """A process that reports: told (address, first, after, real, settle), it answers with (start, end, statuses)."""
    reporters: dict[str, Reporter] = {}
    while (order := pipe.recv()) is not None:
        address, first, after, real, settle = order
        if address not in reporters:
            reporters[address] = Reporter(address, size, threads)
        reporter = reporters[address]
        indices = range(first, after)
        tickets = reporter.tickets(indices) if real else [b""] * len(indices)
        pipe.send("ready")
        pipe.recv()
        start = time.monotonic()
        statuses = reporter.send(indices, tickets, settle=settle)
        pipe.send((start, time.monotonic(), statuses))


def drive_check_ins(pipe: Connection, first: int, devices: int, threads: int) -> None:
    """A process with a connection for each of its devices: told (address, seconds), it answers with latencies."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * devices + 1024)), hard))
    connected: dict[str, list[tuple[Any, aggregator_pb2.CheckInRequest]]] = {}
    pool = ThreadPoolExecutor(threads)
    while (order := pipe.recv()) is not None:
        address, seconds = order
        if address not in connected:
            channels = [grpc.insecure_channel(address, _OPTIONS) for _ in range(devices)]
            stubs = map(aggregator_pb2_grpc.AggregatorStub, channels)
            connected[address] = list(zip(stubs, map(check_in_request, range(first, first + devices)), strict=True))
            list(pool.map(lambda one: one[0].CheckIn(one[1], timeout=60), connected[address]))
        calls = connected[address]
        pipe.send("ready")
        pipe.recv()
        end = time.monotonic() + seconds

        def call_in_turn(lane: int, calls: Any = calls, end: float = end) -> list[float]:
            latencies: list[float] = []
            while True:
                for stub, request in calls[lane::threads]:
                    start = time.monotonic()
                    if start >= end:
                        return latencies
                    stub.CheckIn(request, timeout=60)
                    latencies.append(time.monotonic() - start)

        pipe.send([one for lane in pool.map(call_in_turn, range(threads)) for one in lane])
