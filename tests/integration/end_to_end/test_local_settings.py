"""Batch size and local metrics of a task, from its TOML to the rounds that the aggregator shows."""

import tomllib
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.commands._text import metrics_text
from fieldfare.core.errors import ConfigError
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import TaskSpec, task_spec_from_mapping
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore
from tests.support.algorithm_oracle import AlgorithmOracle, OracleDevice
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.tiny_plan import tiny_manifest, tiny_plan

PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=100)))
TASK = """
name = "settings"
population = "gardens"
rounds = 2
evaluate_every = 0

[training]
goal_count = 3
minimum = 3
over_selection = 1.0

[local]
epochs = 2
learning_rate = 0.05
batch_size = 3
local_metrics = true
"""


def task(**local: object) -> TaskSpec:
    tree = tomllib.loads(TASK)
    return task_spec_from_mapping(tree | {"local": tree["local"] | local})


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "plan.tflite").write_bytes(tiny_plan())
    return tmp_path / "plan.tflite"


def error_sum(weights: np.ndarray, examples: dict[str, np.ndarray]) -> float:
    return float(((weights[0] * examples["x"] + weights[1] - examples["y"]) ** 2).sum())


def test_rounds_show_what_devices_measured_before_and_after_training(plan: Path, tmp_path: Path) -> None:
    spec = task()
    chance = np.random.default_rng(5)
    with ExitStack() as stack:
        stores = []
        for index, rows in enumerate((12, 15, 20)):
            x = chance.normal(index / 2, 1, (rows, 1)).astype(np.float32)
            path = tmp_path / f"{index}.db"
            store = stack.enter_context(ExampleStore.create(path, tiny_manifest().example_specs, held_out_share=0.25))
            store.add_many({"x": x, "y": (2 * x - index).astype(np.float32)})
            stores.append(store)
        aggregator = stack.enter_context(Aggregator(tmp_path / "state", settings=PACE))
        members = [
            Member(tmp_path / f"device-{index}", store, aggregator.address, index) for index, store in enumerate(stores)
        ]
        with AdminClient(aggregator.admin_address) as admin:
            task_id = admin.submit(plan, spec).task_id
            with running(members, spec.population):
                wait_until(lambda: admin.show(task_id).state == task_pb2.TASK_STATE_COMPLETED, "the task's end")
            status = admin.show(task_id, 0)
            weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        # The weights are those of steps of three examples.
        training = [store.training() for store in stores]
        devices = [
            OracleDevice(one["x"][:, 0].tolist(), one["y"][:, 0].tolist(), seed) for seed, one in enumerate(training)
        ]
        oracle = AlgorithmOracle(spec, devices, batch=3)
        for number in (1, 2):
            oracle.play(number)
        np.testing.assert_allclose(weights, oracle.weights, rtol=1e-4, atol=1e-5)
        held_out = [store.held_out() for store in stores]
    first = {one.name: one for one in status.rounds[0].metrics}
    names = {"loss", *(f"{when}/{name}" for when in ("before", "after") for name in ("loss", "mean_absolute_error"))}
    assert set(first) == names
    # Before the first round the model is zero.
    assert first["before/loss"].sum == pytest.approx(sum(error_sum(np.zeros(2), one) for one in held_out), rel=1e-5)
    assert first["before/loss"].weight == sum(len(one["x"]) for one in held_out)
    assert first["after/loss"].sum < first["before/loss"].sum
    assert first["after/loss"].weight == first["before/loss"].weight
    shown = metrics_text(status.rounds[0].metrics)
    assert shown.startswith("loss ")
    assert " before/loss " in shown


@pytest.mark.parametrize(
    ("local", "field", "words"),
    [
        ({"batch_size": 5}, "local.batch_size", "must be at most the plan's batch size, 4"),
        ({"max_seconds": -1}, "local.max_seconds", "cannot be -1"),
        ({"interruption": "LATER"}, "local.interruption", "must be one of DROP, RESUME"),
    ],
)
def test_what_the_plan_cannot_do_is_refused_at_submit(plan: Path, tmp_path: Path, local, field, words) -> None:
    with (
        Aggregator(tmp_path / "state", settings=PACE) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        pytest.raises(ConfigError, match=words) as told,
    ):
        admin.submit(plan, task(**local))
    assert told.value.field == field
