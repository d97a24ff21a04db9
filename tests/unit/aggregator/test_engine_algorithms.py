"""Algorithms through the engine: what commits, what is kept beside it, and that a restart changes no bit."""

from dataclasses import replace

import numpy as np
import pytest

from fieldfare.core.errors import UpdateError
from fieldfare.core.server_optimizers import server_optimizer
from fieldfare.core.tasks import AggregationSpec, Algorithm
from fieldfare.core.weights import unpack_weights
from tests.unit.aggregator.world import SPEC, World, check_in_all

UPDATES = [(0.5, -0.5, 0.25), (1.5, 0.5, -1.25), (0.0, 3.0, 1.0), (1.0, 1.0, 0.5)]


def task(algorithm: Algorithm, **changes):
    return replace(SPEC, rounds=3, aggregation=AggregationSpec(algorithm, server_learning_rate=0.5, **changes))


def play_round(world: World, updates=UPDATES) -> None:
    for work, update in zip(check_in_all(world, len(updates)), updates, strict=True):
        assert world.report(work, update)
    assert world.work()


def state_of(world: World) -> bytes | None:
    record = world.database.newest_checkpoint(world.task_id)
    if record.optimizer_state is None:
        return None
    return world.blobs.get(f"artifacts/{record.optimizer_state.sha256.hex()}")


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
        names, flat = unpack_weights(state_of(world) or b"")
        assert [one.name for one in names] == sorted(state)
        assert flat.tolist() == np.concatenate([state[one.name] for one in names]).tolist()
        if restarts:
            world.restart()
    assert len(world.keys("artifacts/")) == 1 + 4 + 3


@pytest.mark.parametrize("algorithm", [Algorithm.FEDAVG, Algorithm.DSGD, Algorithm.FEDPROX])
def test_the_others_keep_none(tmp_path, algorithm):
    world = World(tmp_path)
    world.submit(task(algorithm))
    play_round(world)
    assert world.status().checkpoint_version == 1
    assert state_of(world) is None


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
