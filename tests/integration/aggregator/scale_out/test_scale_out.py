"""Three replicas over one PostgreSQL and one object store; one is killed in mid-round, twice."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.storage import open_postgresql
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.integration.aggregator.restless import Fleet, check_against_oracle
from tests.integration.aggregator.scale_out.balancer import Balancer
from tests.integration.aggregator.scale_out.replicas import Replica
from tests.support.fleet_threads import wait_until
from tests.support.shared_storage import PostgresServer, S3Server
from tests.unit.aggregator.world import PLAN

COHORT = CohortSpec(16, 8, 1.5)
SPEC = TaskSpec(
    "t", "p", rounds=4, training=COHORT, evaluate_every=0, aggregation=AggregationSpec(min_snapshot_updates=2)
)
QUICK = ("--set", "storage.poll=100ms", "--set", "storage.replica_patience=2s", "--come-back-s", "0.1")


@pytest.fixture
def stores(postgres: PostgresServer, s3: S3Server) -> tuple[str, str, dict[str, str]]:
    return postgres.new_database(), s3.new_bucket(), s3.environment


@pytest.fixture
def replicas(stores: tuple[str, str, dict[str, str]], tmp_path: Path) -> Iterator[list[Replica]]:
    database, blobs, variables = stores
    options = ["--database", database, "--blobs", blobs, *QUICK]
    made = [Replica(name, tmp_path / name, options, variables) for name in ("red", "green", "blue")]
    try:
        for one in made:
            one.start()
        for one in made:
            one.wait_until_ready()
        yield made
    finally:
        for one in made:
            one.kill()


@pytest.mark.slow
def test_a_replica_killed_in_mid_round_costs_nothing_acknowledged(
    replicas: list[Replica], stores: tuple[str, str, dict[str, str]]
) -> None:
    with ExitStack() as stack:
        database = open_postgresql(stores[0])
        stack.callback(database.close)
        balancer = stack.enter_context(Balancer([one.port for one in replicas]))
        with AdminClient(replicas[0].admin_address) as admin:
            task = admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32)).task_id
        fleet = stack.enter_context(Fleet(28, balancer.address, idle_s=0.2))
        for number, victim in ((1, replicas[0]), (3, replicas[1])):
            wait_until(lambda number=number: _acknowledged(fleet, number) >= 3, f"receipts of round {number}")
            victim.kill()
            victim.start()
        with AdminClient(replicas[2].admin_address) as admin:
            wait_until(lambda: admin.show(task).state != task_pb2.TASK_STATE_RUNNING, "the task's end", every_s=0.2)
            status = admin.show(task, 0)
            weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        assert status.reason == "4 rounds done", status.reason
        assert fleet.refused == []
        check_against_oracle(database, status, weights, fleet, minimum=COHORT.minimum)
        with database._read() as connection:
            names = set(connection.scalars(text("select distinct replica from counted")))
            left = connection.scalar(text("select count(*) from snapshots")) + connection.scalar(
                text("select count(*) from shares")
            )
        assert len({name.partition("-")[0] for name in names}) >= 2, names
        assert left == 0


def _acknowledged(fleet: Fleet, number: int) -> int:
    return sum(one == number for _, one, _ in list(fleet.acknowledged))
