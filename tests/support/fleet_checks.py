"""Devices with data, and what must hold of every task that they have worked at, whatever went wrong meanwhile."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.tasks import TaskSpec
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore, Ledger
from fieldfare.sdk.device import DeviceFolder
from tests.support.averaging_oracle import Oracle
from tests.support.fleet_threads import Member
from tests.support.tiny_plan import tiny_manifest


def make_members(folder: Path, count: int, address: str, stack: ExitStack, features: int = 4) -> list[Member]:
    specs = tiny_manifest(features=features).example_specs
    members = []
    for index in range(count):
        chance = np.random.default_rng([5, index])
        store = stack.enter_context(ExampleStore.create(folder / f"{index}.db", specs, held_out_share=0.25))
        x = chance.normal(0, features**-0.5, (8 + index, features)).astype(np.float32)
        store.add_many({"x": x, "y": x.sum(axis=1, keepdims=True)})
        members.append(Member(folder / f"device-{index}", store, address, index))
    return members


def check_against_oracle(
    state: Path, plan: Path, spec: TaskSpec, status: task_pb2.TaskStatus, weights: np.ndarray, members: Sequence[Member]
) -> None:
    """Every committed round holds distinct devices of the fleet, and the weights are what exactly those trained."""
    by_id = {one.device_id: one for one in members}
    assert len(by_id) == len(members)
    oracle = Oracle(plan, spec)
    expected = np.zeros_like(weights)
    counted_total = dict.fromkeys(by_id, 0)
    database = open_sqlite(state / "fieldfare.db")
    try:
        for one in status.rounds:
            counted = database.counted(status.task_id, one.number)
            if one.state != task_pb2.ROUND_STATE_COMMITTED:
                continue
            assert len(counted) == one.reported >= spec.training.minimum
            assert counted <= set(by_id)
            for device in counted:
                counted_total[device] += 1
            if one.kind == task_pb2.ROUND_KIND_TRAINING:
                taking_part = [(by_id[device].store, by_id[device].seed) for device in counted]
                expected = oracle.after_round(expected, taking_part, one.number)
    finally:
        database.close()
    np.testing.assert_array_equal(weights.view(np.uint32), expected.view(np.uint32))
    for device, member in by_id.items():
        # Every receipt that said so is in a committed round; a receipt that was lost leaves one fewer here.
        assert member.counted() <= counted_total[device] <= len(status.rounds)
        with member_ledger(member) as ledger:
            assert ledger.verify() is None


def member_ledger(member: Member) -> Ledger:
    return DeviceFolder(member.folder).open_ledger(create=False)


def committed(status: task_pb2.TaskStatus) -> bool:
    return bool(status.state == task_pb2.TASK_STATE_COMPLETED)
