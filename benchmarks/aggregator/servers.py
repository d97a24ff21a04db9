"""What the drivers call: an aggregator in a process of its own, and bare gRPC in its place."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.aggregator.drivers import POPULATION, weight_specs
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc

_MESSAGE_BYTES = 2 * 2**20


def serve_aggregator(pipe: Connection, state: Path, size: int, goal: int, rounds: int = 1) -> None:
    """An aggregator with its defaults and one task whose rounds want `goal` reports; sends both addresses."""
    from fieldfare.aggregator import AdminClient, Aggregator
    from fieldfare.aggregator.allocator import bound_allocator
    from fieldfare.core.tasks import CohortSpec, TaskSpec
    from tests.support.hollow_plan import hollow_plan

    bound_allocator()  # as `fieldfare serve` does
    cohort = CohortSpec(goal, goal, 1.0, timedelta(hours=1), timedelta(hours=1))
    spec = TaskSpec("bench", POPULATION, rounds, cohort, cohort, 0)
    with Aggregator(state) as aggregator:
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(hollow_plan(weight_specs(size)), spec, weights=np.zeros(size, np.float32))
        pipe.send((aggregator.address, aggregator.admin_address))
        pipe.recv()


def serve_bare(pipe: Connection) -> None:
    """gRPC on asyncio, as the aggregator uses it, with handlers that do nothing; sends its address."""
    asyncio.run(_serve_bare(pipe))


class _Bare(aggregator_pb2_grpc.AggregatorServicer):
    _receipt = aggregator_pb2.Receipt(status=aggregator_pb2.RECEIPT_STATUS_ACCEPTED)
    _come_back = aggregator_pb2.CheckInResponse(come_back=aggregator_pb2.ComeBack(reason="there is no work"))

    async def CheckIn(self, _request: Any, _context: Any) -> aggregator_pb2.CheckInResponse:  # noqa: N802
        return self._come_back

    async def Report(self, requests: AsyncIterator[Any], _context: Any) -> aggregator_pb2.Receipt:  # noqa: N802
        async for _ in requests:
            pass
        return self._receipt


async def _serve_bare(pipe: Connection) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    aggregator_pb2_grpc.add_AggregatorServicer_to_server(_Bare(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send((f"127.0.0.1:{port}", ""))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await server.stop(None)


def mean_error(admin_address: str, size: int, rounds: int = 1) -> float:
    """Largest difference between the task's checkpoint and `rounds` times the update that every device sent."""
    from benchmarks.aggregator.drivers import update_bytes
    from fieldfare.aggregator import AdminClient
    from fieldfare.core.weights import unpack_weights

    with AdminClient(admin_address) as admin:
        status = admin.show("bench")
        if status.checkpoint_version != rounds:
            raise SystemExit("a round did not end")
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
    return float(np.abs(weights / rounds - np.frombuffer(update_bytes(size), "<f4")).max())
