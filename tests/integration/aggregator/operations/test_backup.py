"""docs/operations.md's backup and restore: a copy of a stopped aggregator's folder goes on where it was."""

import shutil
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.fleet import ACCEPTED, DUPLICATE, PENDING, Device, connect, update_of
from tests.integration.aggregator.test_service import SETTINGS
from tests.unit.aggregator.world import PLAN

SPEC = TaskSpec(
    "t",
    "p",
    rounds=1,
    training=CohortSpec(3, 3, 1.0),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)


def result(admin: AdminClient) -> np.ndarray:
    """The weights of the task, which is about to be completed."""
    while (status := admin.show("t")).state == task_pb2.TASK_STATE_RUNNING:
        pass
    assert status.reason == "1 rounds done"
    return unpack_weights(admin.fetch(status.checkpoint))[1]


def test_a_restored_copy_goes_on_in_mid_round(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "copy"
    start = np.array([1, 2, 3], np.float32)
    with Aggregator(state, settings=SETTINGS) as aggregator, AdminClient(aggregator.admin_address) as admin:
        admin.submit(PLAN, SPEC, weights=start)
        devices = [Device(index, connect(aggregator.address)) for index in range(3)]
        for device in devices:
            assert device.check_in() is not None
        assert devices[0].report().status == PENDING
        assert devices[1].report_until_settled().status == ACCEPTED
    shutil.copytree(state, copy)
    with Aggregator(state, settings=SETTINGS) as aggregator, AdminClient(aggregator.admin_address) as admin:
        devices[2].stub = connect(aggregator.address)
        assert devices[2].report_until_settled().status == ACCEPTED
        first = result(admin)
    shutil.rmtree(state)
    copy.rename(state)
    with Aggregator(state, settings=SETTINGS) as aggregator, AdminClient(aggregator.admin_address) as admin:
        assert admin.show("t").state == task_pb2.TASK_STATE_RUNNING
        for device in devices:
            device.stub = connect(aggregator.address)
        assert devices[1].report().status == DUPLICATE
        assert devices[2].report_until_settled().status == ACCEPTED
        second = result(admin)
    np.testing.assert_array_equal(first, second)
    updates = [update_of(device.id, 1) for device in devices]
    mean = sum(vector.astype(np.float64) * count for vector, count in updates) / sum(count for _, count in updates)
    np.testing.assert_allclose(second, start + mean, atol=1e-6)
