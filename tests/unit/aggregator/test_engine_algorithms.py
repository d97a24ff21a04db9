"""Algorithms through the engine: what commits, what is kept beside it, and that a restart changes no bit."""

from dataclasses import replace

import numpy as np
import pytest

from fieldfare.core.errors import NotFoundError, UpdateError
from fieldfare.core.plans import WeightRole
from fieldfare.core.server_optimizers import server_optimizer
from fieldfare.core.tasks import AggregationSpec, Algorithm, Weighting
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.support.hollow_plan import hollow_plan
from tests.unit.aggregator.world import SPEC, SPECS, World, check_in_all

UPDATES = [(0.5, -0.5, 0.25), (1.5, 0.5, -1.25), (0.0, 3.0, 1.0), (1.0, 1.0, 0.5)]


def task(algorithm: Algorithm, **changes):
    return replace(SPEC, rounds=3, aggregation=AggregationSpec(algorithm, server_learning_rate=0.5, **changes))


def play_round(world: World, updates=UPDATES) -> None:
    for work, update in zip(check_in_all(world, len(updates)), updates, strict=True):
        assert world.report(work, update)
    assert world.work()


STATEFUL = [Algorithm.FEDAVGM, Algorithm.FEDADAGRAD, Algorithm.FEDADAM, Algorithm.FEDYOGI]


@pytest.mark.parametrize("algorithm", STATEFUL)
@pytest.mark.parametrize("restarts", [False, True])
def test_the_optimisers_state_goes_on_with_the_checkpoints(tmp_path, algorithm, restarts):
    world = World(tmp_path)
    spec = task(algorithm)
    world.submit(spec)
    optimizer = server_optimizer(spec.aggregation)
    weights = np.array([1.0, 2.0, 3.0], "f4")
    state = optimizer.init(weights)
    for version in (1, 2, 3):
        play_round(world)
        mean = np.mean(np.array(UPDATES, "f8"), axis=0).astype("f4")
        state, weights = optimizer.apply(state, weights, mean)
        assert world.weights(version).tolist() == weights.tolist()
        names, flat = unpack_weights(world.optimizer_state() or b"")
        assert [one.name for one in names] == sorted(state)
        assert flat.tolist() == np.concatenate([state[one.name] for one in names]).tolist()
        if restarts:
            world.restart()
    assert len(world.keys("artifacts/")) == 1 + 4 + 3


def test_a_commit_that_failed_leaves_neither_weights_nor_state_behind(tmp_path):
    world = World(tmp_path)
    world.submit(task(Algorithm.FEDADAM))
    *works, last = check_in_all(world, 5)
    for work, update in zip(works, UPDATES, strict=True):
        assert world.report(work, update)
    world.database.before = 1
    assert not world.work()
    assert world.report(last, (9, 9, 9))
    assert world.work()
    assert set(world.keys("artifacts/")) == world.database.blob_keys()


@pytest.mark.parametrize("algorithm", [Algorithm.FEDAVG, Algorithm.DSGD, Algorithm.FEDPROX])
def test_the_others_keep_none(tmp_path, algorithm):
    world = World(tmp_path)
    world.submit(task(algorithm))
    play_round(world)
    assert world.status().checkpoint_version == 1
    assert world.optimizer_state() is None


def test_a_norm_beyond_the_bound_is_refused_and_counted_by_its_reason(tmp_path):
    world = World(tmp_path)
    world.submit(replace(task(Algorithm.FEDAVG, max_norm=5.0), rounds=1))
    bad, *good = check_in_all(world, 5)
    with pytest.raises(UpdateError, match="norm 6, beyond 5") as caught:
        world.report(bad, (4.0, 4.0, 2.0))
    assert caught.value.reason == "norm"
    for work in good:
        assert world.report(work, (3.0, 4.0, 0.0))
    assert world.work()
    assert [one.refusals for one in world.database.rounds(world.task_id)] == ['{"norm": 1}']
    assert world.weights(1).tolist() == [2.5, 4.0, 3.0]


def test_long_updates_are_scaled_down_to_the_clipping_norm(tmp_path):
    world = World(tmp_path)
    world.submit(replace(task(Algorithm.FEDAVG, clip_norm=2.5), rounds=1))
    for work, update in zip(check_in_all(world, 4), [(3.0, 4.0, 0.0)] * 2 + [(0.0, 0.0, 2.0)] * 2, strict=True):
        assert world.report(work, update)
    assert world.work()
    # Means: (1.5, 2, 0) and (0, 0, 2), two of each; half of it is added.
    assert world.weights(1).tolist() == [1.375, 2.5, 3.5]


@pytest.mark.parametrize("algorithm", [Algorithm.FEDPROX, Algorithm.SCAFFOLD])
def test_work_goes_only_to_devices_that_can_do_it(tmp_path, algorithm):
    world = World(tmp_path)
    world.submit(task(algorithm, weighting=Weighting.UNIFORM))
    old = {"protocol_version": 1, "encoding_stages": ["float32"]}
    for offered in ([], [Algorithm.FEDAVG.value, Algorithm.DSGD.value]):
        answer = world.ask(0, **old, algorithms=offered)
        assert f"it needs the algorithm {algorithm.name}, which the device does not offer" in answer.come_back.reason
    assert world.ask(0, **old, algorithms=[algorithm.value]).assignment.algorithm == algorithm.value


@pytest.mark.parametrize("algorithm", [*STATEFUL, Algorithm.FEDAVG])
def test_what_only_the_server_does_otherwise_is_federated_averaging_to_any_device(tmp_path, algorithm):
    world = World(tmp_path)
    world.submit(task(algorithm, max_norm=3.0))
    answer = world.ask(0, protocol_version=1, encoding_stages=["float32"])
    assert answer.assignment.algorithm == Algorithm.FEDAVG.value
    assert answer.assignment.max_norm == 3.0
    assert not answer.assignment.HasField("control")


@pytest.mark.parametrize("restarts", [False, True])
def test_scaffolds_control_variate_is_the_mean_of_the_devices(tmp_path, restarts):
    """Four of seven devices a round; each reports twice its index and the round, as change of its control variate."""
    world = World(tmp_path)
    world.submit(task(Algorithm.SCAFFOLD, weighting=Weighting.UNIFORM))
    own: dict[int, float] = {}
    weights = 1.0
    for number, cohort in enumerate([(0, 1, 2, 3), (2, 3, 4, 5), (0, 2, 4, 6)], 1):
        before = world.database.newest_checkpoint(world.task_id)
        for index in cohort:
            work = world.check_in(index)
            assert work is not None
            assert work.assignment.HasField("control") is (number > 1)
            if before.optimizer_state is not None:
                assert work.assignment.control.sha256 == before.optimizer_state.sha256
                assert world.engine.artifact_size(work.assignment.control.sha256, work.assignment.ticket)[0] > 12
            delta = 2 * index + number
            assert world.report(work, [0.5, 0, 0, delta, -delta, 1])
            own[index] = own.get(index, 0.0) + delta
            if restarts and index == cohort[1]:
                assert world.work()
                world.restart()
        assert world.work()
        weights += 0.25
        mean = sum(own.values()) / len(own)
        assert world.weights(number)[0] == weights
        names, control = unpack_weights(world.optimizer_state() or b"")
        assert [(one.name, one.shape) for one in names] == [("control", (3,))]
        np.testing.assert_allclose(control[:2], [mean, -mean], rtol=1e-6)


def test_an_evaluation_round_gives_no_control_variate(tmp_path):
    world = World(tmp_path)
    world.submit(replace(task(Algorithm.SCAFFOLD, weighting=Weighting.UNIFORM), evaluate_every=1))
    for index in range(4):
        work = world.check_in(index)
        assert work is not None
        assert world.report(work, np.ones(6))
    assert world.work()
    evaluation = world.check_in(0)
    assert evaluation is not None
    assert evaluation.assignment.kind == task_pb2.ROUND_KIND_EVALUATION
    assert not evaluation.assignment.HasField("control")


def test_statistics_are_averaged_whatever_the_optimiser(tmp_path):
    world = World(tmp_path)
    plan = hollow_plan(SPECS, roles=(WeightRole.TRAINED, WeightRole.STATISTIC))
    world.submit(task(Algorithm.FEDADAM), plan=plan)
    play_round(world)
    weights = world.weights(1)
    mean = np.mean(np.array(UPDATES, "f8"), axis=0)
    assert weights[2] == np.float32(3.0 + mean[2])
    assert abs(weights[0] - 1.0 - mean[0]) > 0.1


def test_the_states_of_other_optimisers_are_nobodys_to_fetch(tmp_path):
    world = World(tmp_path)
    world.submit(task(Algorithm.FEDADAM))
    play_round(world)
    state = world.database.newest_checkpoint(world.task_id).optimizer_state
    work = world.check_in(0)
    assert work is not None
    with pytest.raises(NotFoundError, match="in the ticket's task"):
        world.engine.artifact_size(state.sha256, work.assignment.ticket)
    assert world.engine.artifact_size(state.sha256, None)[0] == state.size_bytes


def test_a_slow_device_still_gets_the_control_variate_of_the_round_before(tmp_path):
    world = World(tmp_path)
    world.submit(task(Algorithm.SCAFFOLD, weighting=Weighting.UNIFORM))
    play_round(world, [(*one, 1.0, 2.0, 3.0) for one in UPDATES])
    slow, *others = check_in_all(world, 5)
    for work in others:
        assert world.report(work, (0.5, 0.5, 0.5, 1.0, 1.0, 1.0))
    assert world.work()
    control = slow.assignment.control
    assert world.database.newest_checkpoint(world.task_id).optimizer_state.sha256 != control.sha256
    assert world.engine.artifact_size(control.sha256, slow.assignment.ticket)[0] == control.size_bytes
