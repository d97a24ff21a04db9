"""SIGKILL an aggregator at 200 instants under load: what was acknowledged counts exactly once, nothing counts twice."""

import random
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.restless import Fleet, check_against_oracle
from tests.integration.aggregator.short_lives import start
from tests.support.commands import free_port
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import PLAN

KILLS = 200
COHORT = CohortSpec(8, 4, 1.5)
SPEC = TaskSpec(
    "t", "p", rounds=25, training=COHORT, evaluate_every=0, aggregation=AggregationSpec(min_snapshot_updates=3)
)


class Tasks:
    """One after the other, so that there is work however long the killing goes on."""

    def __init__(self, admin_address: str) -> None:
        self.address = admin_address
        self.ids: list[str] = []

    def keep_going(self) -> None:
        with AdminClient(self.address) as admin:
            if not self.ids or self.ended():
                self.ids.append(admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32)).task_id)

    def ended(self) -> bool:
        with AdminClient(self.address) as admin:
            return admin.show(self.ids[-1]).state != task_pb2.TASK_STATE_RUNNING


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_acknowledged_is_in_exactly_once(tmp_path: Path) -> None:
    chance = random.Random(20260101)  # noqa: S311
    state, port, admin_port = tmp_path / "state", free_port(), free_port()
    tasks = Tasks(f"127.0.0.1:{admin_port}")
    killed_with: list[int] = []
    with Fleet(12, f"127.0.0.1:{port}") as fleet:
        for kill in range(KILLS):
            process, ready = start(state, port, admin_port)
            if kill % 5 == 4:
                # While it starts.
                ready.poll(chance.uniform(0, 0.1))
            else:
                assert ready.recv()
                if kill % 5 < 2:
                    tasks.keep_going()
                    wanted = len(fleet.acknowledged) + chance.randint(1, 12)
                    wait_until(
                        lambda wanted=wanted: len(fleet.acknowledged) >= wanted or tasks.ended(),
                        "receipts, or the task's end",
                        every_s=0.01,
                    )
                else:
                    process.join(chance.uniform(0, 0.2))
            assert process.exitcode is None
            process.kill()
            process.join()
            killed_with.append(len(fleet.acknowledged))
        process, ready = start(state, port, admin_port)
        assert ready.recv()
        wait_until(tasks.ended, "the last task's end", every_s=0.2)
        assert fleet.refused == []
    with AdminClient(tasks.address) as admin:
        ended = [admin.show(task, 0) for task in tasks.ids]
        weights = [unpack_weights(admin.fetch(one.checkpoint))[1] for one in ended]
    process.terminate()
    process.join()
    # Two of five came as soon as some more was acknowledged, in the middle of the load, or at a task's end.
    assert len(set(killed_with)) >= KILLS / 4
    database = open_sqlite(state / "fieldfare.db")
    for status, last in zip(ended, weights, strict=True):
        assert status.reason == "25 rounds done"
        check_against_oracle(database, status, last, fleet, minimum=COHORT.minimum)
    database.close()
