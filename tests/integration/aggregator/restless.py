"""Devices that never give up, whatever becomes of their aggregators, and the average that must come out."""

import threading

import grpc
import numpy as np

from fieldfare.aggregator.storage import SqlDatabase
from fieldfare.protos.v1 import aggregator_pb2_grpc, task_pb2
from tests.integration.aggregator.fleet import ACCEPTED, DUPLICATE, INVALID, LATE, PENDING, Device, update_of

_PATIENT = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)


class Fleet:
    """Each has a connection of its own, and keeps its report until it knows what became of it.

    Attributes:
        acknowledged: task, round and device of every report that was ACCEPTED or a DUPLICATE.
        refused: why any was INVALID.

    Args:
        count: how many.
        address: of the aggregator, or of a balancer.
        idle_s: seconds between two calls of a device that was given nothing.
    """

    def __init__(self, count: int, address: str, *, idle_s: float = 0.05) -> None:
        self.acknowledged: set[tuple[str, int, bytes]] = set()
        self.refused: list[str] = []
        self._done = threading.Event()
        self._address = address
        self._idle_s = idle_s
        self._threads = [threading.Thread(target=self._live, args=(index,)) for index in range(count)]

    def __enter__(self) -> "Fleet":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _live(self, index: int) -> None:
        with grpc.insecure_channel(self._address, _PATIENT) as channel:
            device = Device(index, aggregator_pb2_grpc.AggregatorStub(channel))
            while not self._done.is_set():
                # Safe: a call that broke is made again, as a device does.
                try:
                    idle = self._step(device)
                except grpc.RpcError:
                    idle = True
                if idle:
                    self._done.wait(self._idle_s)

    def _step(self, device: Device) -> bool:
        """One call; whether to wait before the next."""
        if device.assignment is None and device.check_in() is None:
            return True
        assert device.assignment is not None
        receipt = device.report()
        if receipt.status in {ACCEPTED, DUPLICATE}:
            self.acknowledged.add((device.assignment.task_id, device.assignment.round_number, device.id))
        if receipt.status == INVALID:
            self.refused.append(receipt.detail)
        if receipt.status in {ACCEPTED, DUPLICATE, LATE, INVALID}:
            device.assignment = None
        return receipt.status == PENDING


def check_against_oracle(
    database: SqlDatabase, status: task_pb2.TaskStatus, weights: np.ndarray, fleet: Fleet, *, minimum: int
) -> None:
    """Each round holds exactly the devices that it counts, each once; nobody who was acknowledged is missing.

    Args:
        database: knows who is counted.
        status: of the ended task, with all rounds; it began with the weights 1, 2, 3.
        weights: its last ones.
        fleet: who was acknowledged.
        minimum: fewest reports of a round.
    """
    expected = np.array([1, 2, 3], np.float64)
    mine = {(number, device) for task, number, device in fleet.acknowledged if task == status.task_id}
    for one in status.rounds:
        counted = database.counted(status.task_id, one.number)
        assert {device for number, device in mine if number == one.number} <= counted
        if one.state == task_pb2.ROUND_STATE_ABANDONED:
            assert not counted
            continue
        assert one.state == task_pb2.ROUND_STATE_COMMITTED
        assert len(counted) == one.reported >= minimum
        updates = [update_of(device, one.number) for device in counted]
        total = sum(count for _, count in updates)
        assert one.examples == total
        expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
    np.testing.assert_allclose(weights, expected, atol=1e-6)
