"""From a Keras model to a committed checkpoint, over real gRPC and LiteRT, against weights that are computed twice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.encodings import FLOAT16
from fieldfare.core.plans import Manifest, PlanRuntime
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    CohortSpec,
    LocalTrainingSpec,
    TargetSpec,
    TaskSpec,
    Weighting,
)
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore
from tests.support.averaging_oracle import Oracle
from tests.support.fleet_threads import Member, running, wait_until

keras = pytest.importorskip("keras")

Vector = NDArray[np.float32]

DEVICES = 3
PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)))
COHORT = CohortSpec(DEVICES, DEVICES, 1.0, timedelta(seconds=60), timedelta(seconds=60))
SPEC = TaskSpec(
    "whole-way",
    "gardens",
    rounds=3,
    training=COHORT,
    evaluation=COHORT,
    evaluate_every=0,
    local=LocalTrainingSpec(epochs=2, max_examples=64),
    aggregation=AggregationSpec(max_abs_value=16.0),
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    from fieldfare.converters import export_keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential([keras.Input((3,), name="soil"), layers.Dense(6, activation="tanh"), layers.Dense(1)])
    path = tmp_path_factory.mktemp("whole_way") / "plan.tflite"
    settings = {"loss": "mean_squared_error", "optimizer": "sgd", "metrics": ["mean_absolute_error"]}
    # A batch takes all examples of the largest device: what one full-batch step needs.
    return path, export_keras(model, path, batch_size=32, learning_rate=0.1, gradients=True, **settings)


@pytest.fixture
def stores(plan: tuple[Path, Manifest], tmp_path: Path) -> Iterator[list[ExampleStore]]:
    chance = np.random.default_rng(11)
    with ExitStack() as stack:
        found = []
        for index, rows in enumerate((10, 23, 36)):
            soil = chance.normal(0, 1, (rows, 3)).astype(np.float32)
            label = (np.sin(soil.sum(axis=1, keepdims=True)) + index / 3).astype(np.float32)
            path = tmp_path / f"{index}.db"
            store = stack.enter_context(ExampleStore.create(path, plan[1].example_specs, held_out_share=0.2))
            store.add_many({"soil": soil, "label": label})
            found.append(store)
        yield found


Train = Callable[[TaskSpec], tuple[task_pb2.TaskStatus, Vector]]


@pytest.fixture
def train(plan: tuple[Path, Manifest], stores: list[ExampleStore], tmp_path: Path) -> Iterator[Train]:
    """Run a task to its end over devices in threads; gives its status and the committed weights."""
    with Aggregator(tmp_path / "state", settings=PACE) as aggregator, AdminClient(aggregator.admin_address) as admin:

        def run(spec: TaskSpec) -> tuple[task_pb2.TaskStatus, Vector]:
            members = [
                Member(tmp_path / f"device-{index}", store, aggregator.address, index)
                for index, store in enumerate(stores)
            ]
            task = admin.submit(plan[0], spec).task_id
            with running(members, spec.population):
                wait_until(lambda: admin.show(task).state == task_pb2.TASK_STATE_COMPLETED, "the task's end")
            status = admin.show(task, 0)
            assert all(one.reported == DEVICES for one in status.rounds)
            return status, unpack_weights(admin.fetch(status.checkpoint))[1]

        yield run


def initial(plan: tuple[Path, Manifest]) -> Vector:
    return PlanRuntime(plan[0].read_bytes()).get_weights()


def seeded(stores: list[ExampleStore]) -> list[tuple[ExampleStore, int]]:
    return list(zip(stores, range(DEVICES), strict=True))


def test_the_committed_weights_are_those_of_the_oracle_bit_for_bit(plan, stores, train: Train) -> None:
    status, weights = train(SPEC)
    oracle = Oracle(plan[0], SPEC)
    expected = initial(plan)
    assert [one.number for one in status.rounds] == [1, 2, 3]
    for one in status.rounds:
        expected = oracle.after_round(expected, seeded(stores), one.number)
    np.testing.assert_array_equal(weights.view(np.uint32), expected.view(np.uint32))
    assert np.abs(weights - initial(plan)).max() > 0.01


def test_one_round_is_the_exact_weighted_mean_within_one_unit_in_the_last_place(plan, stores, train: Train) -> None:
    spec = replace(SPEC, rounds=1)
    _, weights = train(spec)
    before = initial(plan)
    exact = Oracle(plan[0], spec).exact_mean(Oracle(plan[0], spec).trained(before, seeded(stores), 1))
    for index, value in enumerate(weights):
        truth = Fraction(float(before[index])) + exact[index]
        # The sum's quantum is 2**-41 here, far below float32. The mean is rounded to float32 once, and once more when
        # it is added: half a unit in the last place of each, so one unit of the larger of the two.
        unit = max(np.spacing(np.abs(value)), np.spacing(np.float32(abs(exact[index]))))
        assert abs(Fraction(float(value)) - truth) <= Fraction(float(unit)), f"weight {index}"


def test_one_full_batch_step_of_averaging_is_distributed_sgd(plan, stores, train: Train) -> None:
    local = replace(SPEC.local, epochs=1, max_steps=1)
    _, averaged = train(replace(SPEC, local=local))
    step = AggregationSpec(Algorithm.DSGD, server_learning_rate=plan[1].learning_rate, max_abs_value=16.0)
    _, distributed = train(replace(SPEC, local=replace(local, max_steps=0), aggregation=step))
    assert max(store.count(held_out=False) for store in stores) <= plan[1].batch_size
    np.testing.assert_allclose(averaged, distributed, rtol=0, atol=1e-6)
    assert np.abs(averaged - initial(plan)).max() > 0.01


def test_half_precision_updates(plan, stores, train: Train) -> None:
    spec = replace(SPEC, encoding=FLOAT16)
    status, half = train(spec)
    sent = sum(one.bytes_up for one in status.rounds)
    assert sent == 3 * DEVICES * 2 * half.size
    # Bit for bit what the oracle gives when it rounds each delta to float16.
    oracle = Oracle(plan[0], spec)
    expected = before = initial(plan)
    largest = 0.0
    for number in (1, 2, 3):
        reports = oracle.trained(expected, seeded(stores), number)
        largest = max(largest, *(float(np.abs(one.vector).max()) for one in reports))
        rounded = [replace(one, vector=one.vector.astype(np.float16).astype(np.float32)) for one in reports]
        expected = oracle.step(expected, oracle.committed_mean(rounded))
    np.testing.assert_array_equal(half.view(np.uint32), expected.view(np.uint32))
    # Against float32: a delta d is off by at most 2**-11 d; three rounds, and a factor 2 for what the training between
    # them makes of the difference.
    full = before
    for number in (1, 2, 3):
        full = Oracle(plan[0], SPEC).after_round(full, seeded(stores), number)
    np.testing.assert_allclose(half, full, rtol=0, atol=3 * 2 * 2**-11 * largest)
    assert np.abs(half - full).max() > 0


def test_a_task_ends_at_its_target(plan, stores, train: Train) -> None:
    _, start = _evaluation(plan, stores, initial(plan))
    spec = replace(SPEC, rounds=50, evaluate_every=1, target=TargetSpec("loss", 0.7 * start["loss"], True))
    status, weights = train(spec)
    assert status.reason.startswith("target reached")
    assert 1 <= status.rounds_committed < 50
    last = status.rounds[-1]
    assert last.kind == task_pb2.ROUND_KIND_EVALUATION
    assert last.checkpoint_version == status.checkpoint_version == status.rounds_committed
    _, reached = _evaluation(plan, stores, weights)
    assert reached["loss"] <= 0.7 * start["loss"]
    # The evaluation before it had not reached it.
    earlier = [one for one in status.rounds[:-1] if one.kind == task_pb2.ROUND_KIND_EVALUATION]
    for one in earlier:
        loss = next(metric for metric in one.metrics if metric.name == "loss")
        assert loss.sum / loss.weight > 0.7 * start["loss"]


def test_the_metrics_of_an_evaluation_are_those_of_the_pooled_held_out_examples(plan, stores, train: Train) -> None:
    status, weights = train(replace(SPEC, rounds=2, evaluate_every=2))
    assert [one.kind for one in status.rounds].count(task_pb2.ROUND_KIND_EVALUATION) == 1
    last = status.rounds[-1]
    sums, _ = _evaluation(plan, stores, weights)
    # Exact: the aggregator adds the devices' sums as integers, and rounds once.
    assert {one.name: (one.sum, one.weight) for one in last.metrics} == sums
    held_out = [store.held_out() for store in stores]
    pooled = {name: np.concatenate([one[name] for one in held_out]) for name in ("soil", "label")}
    error = _forward(weights, pooled["soil"]) - pooled["label"]
    direct = {"loss": np.mean(error**2), "mean_absolute_error": np.mean(np.abs(error))}
    measured = {one.name: one.sum / one.weight for one in last.metrics}
    assert measured == pytest.approx(direct, rel=1e-5)
    assert last.examples == len(pooled["soil"])


def _evaluation(plan, stores, weights: Vector) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    exact = Oracle(plan[0], SPEC).evaluated(weights, stores)
    sums = {name: (float(total), float(count)) for name, (total, count) in exact.items()}
    return sums, {name: float(total / count) for name, (total, count) in exact.items()}


def _forward(weights: Vector, soil: NDArray) -> NDArray[np.float64]:
    """The network on paper: 3 inputs, 6 tanh, 1 linear; weights in the order kernel, bias, kernel, bias."""
    values = weights.astype(np.float64)
    first, bias, second, last = values[:18].reshape(3, 6), values[18:24], values[24:30].reshape(6, 1), values[30]
    return np.tanh(soil.astype(np.float64) @ first + bias) @ second + last


def test_with_nothing_to_correct_fedprox_and_scaffold_are_averaging(plan, stores, train: Train) -> None:
    """The steps that devices take by themselves from a Keras model's gradients are those of its optimiser, SGD."""
    uniform = replace(SPEC, rounds=1, local=replace(SPEC.local, learning_rate=0.1))
    found = [
        train(replace(uniform, aggregation=AggregationSpec(algorithm, Weighting.UNIFORM)))[1]
        for algorithm in (Algorithm.FEDAVG, Algorithm.FEDPROX, Algorithm.SCAFFOLD)
    ]
    assert np.abs(found[0] - initial(plan)).max() > 0.01
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-4, atol=1e-6)
