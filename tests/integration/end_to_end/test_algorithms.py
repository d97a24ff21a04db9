"""Every algorithm over real gRPC and LiteRT, against weights that plain Python computes from the equations."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
    Combiner,
    LocalTrainingSpec,
    TaskSpec,
    Weighting,
)
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore
from tests.support.algorithm_oracle import AlgorithmOracle, OracleDevice
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.tiny_plan import tiny_manifest, tiny_plan

DEVICES = 5
ROUNDS = 3
PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=100)))
COHORT = CohortSpec(DEVICES, DEVICES, 1.0, timedelta(seconds=60), timedelta(seconds=60))


def task(aggregation: AggregationSpec, **local) -> TaskSpec:
    # One gradient makes no passes.
    epochs = 1 if aggregation.algorithm is Algorithm.DSGD else 2
    return TaskSpec(
        "algorithms",
        "gardens",
        rounds=ROUNDS,
        training=COHORT,
        evaluation=COHORT,
        evaluate_every=0,
        local=LocalTrainingSpec(epochs=epochs, learning_rate=0.05, **local),
        aggregation=aggregation,
    )


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("algorithms") / "plan.tflite"
    path.write_bytes(tiny_plan())
    return path


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ExampleStore]]:
    """Devices whose lines differ, and whose numbers of examples do."""
    folder, chance = tmp_path_factory.mktemp("stores"), np.random.default_rng(5)
    with ExitStack() as stack:
        found = []
        for index, rows in enumerate((5, 6, 9, 12, 7)):
            x = chance.normal(index / 2, 1, (rows, 1)).astype(np.float32)
            y = (x * (1 + index / 4) - index + chance.normal(0, 0.1, (rows, 1))).astype(np.float32)
            path = folder / f"{index}.db"
            store = stack.enter_context(ExampleStore.create(path, tiny_manifest().example_specs, held_out_share=0.0))
            store.add_many({"x": x, "y": y})
            found.append(store)
        yield found


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aggregator]:
    with Aggregator(tmp_path_factory.mktemp("aggregator") / "state", settings=PACE) as made:
        yield made


def expected(spec: TaskSpec, stores: list[ExampleStore]) -> list[float]:
    devices = []
    for seed, store in enumerate(stores):
        examples = store.training(spec.local.max_examples)
        devices.append(OracleDevice(examples["x"][:, 0].tolist(), examples["y"][:, 0].tolist(), seed))
    oracle = AlgorithmOracle(spec, devices, batch=4)
    for number in range(1, ROUNDS + 1):
        oracle.play(number)
    return oracle.weights


@pytest.mark.parametrize(
    "spec",
    [
        task(AggregationSpec()),
        task(AggregationSpec(weighting=Weighting.UNIFORM, server_learning_rate=0.5)),
        task(AggregationSpec(Algorithm.DSGD, server_learning_rate=0.1)),
        task(AggregationSpec(Algorithm.FEDAVGM, beta1=0.5)),
        task(AggregationSpec(Algorithm.FEDADAGRAD, server_learning_rate=0.1)),
        task(AggregationSpec(Algorithm.FEDADAM, server_learning_rate=0.1)),
        task(AggregationSpec(Algorithm.FEDYOGI, server_learning_rate=0.1)),
        task(AggregationSpec(Algorithm.FEDPROX), proximal_mu=0.5),
        task(AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM)),
        # Every buffer needs all devices, so none is stale: federated averaging.
        task(AggregationSpec(Algorithm.FEDBUFF)),
        task(AggregationSpec(combiner=Combiner.MEDIAN)),
        task(AggregationSpec(Algorithm.DSGD, combiner=Combiner.TRIMMED_MEAN, trim=0.2, server_learning_rate=0.1)),
        task(AggregationSpec(min_snapshot_updates=1, combiner=Combiner.KRUM, byzantine=1)),
        task(AggregationSpec(Algorithm.FEDAVGM, combiner=Combiner.MULTI_KRUM, byzantine=1, krum_selected=3)),
    ],
    ids=lambda spec: "-".join(getattr(spec.aggregation, key).name for key in ("algorithm", "weighting", "combiner")),
)
def test_the_fleet_computes_what_the_equations_say(spec, plan, stores, aggregator, tmp_path) -> None:
    members = [
        Member(tmp_path / f"device-{index}", store, aggregator.address, index) for index, store in enumerate(stores)
    ]
    with AdminClient(aggregator.admin_address) as admin:
        task_id = admin.submit(plan, spec).task_id
        with running(members, spec.population):
            wait_until(lambda: admin.show(task_id).state == task_pb2.TASK_STATE_COMPLETED, "the task's end")
        status = admin.show(task_id, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
    assert [one.reported for one in status.rounds] == [DEVICES] * ROUNDS
    np.testing.assert_allclose(weights, expected(spec, stores), rtol=1e-4, atol=1e-5)
    assert np.abs(weights).min() > 0.01
    size = 2 * 4 * spec.aggregation.algorithm.vectors
    assert [one.bytes_up for one in status.rounds] == [DEVICES * size] * ROUNDS
