"""SCAFFOLD through crashes, replays and lost answers: server and devices keep agreeing on the control variates."""

from dataclasses import replace

import numpy as np
import pytest

from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import AggregationSpec, Algorithm, Weighting
from fieldfare.core.weights import unpack_weights
from tests.unit.aggregator.world import SPEC, Work, World

SCAFFOLD = AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM, server_learning_rate=0.5)
STEPS = ["check in"] * 3 + ["report"] * 3 + ["work"] * 2 + ["restart", "fail", "advance"]


def change_of(device: bytes, number: int) -> np.ndarray:
    """What a device reports in a round: deltas of weights and of its control variate."""
    return np.random.default_rng([*device, number]).uniform(-1, 1, 6).astype("f4")


def happen(world: World, works: list[Work], chance: np.random.Generator) -> None:
    """Anything; reports that are not counted yet are sent again and again, also those of rounds that are over."""
    match chance.choice(STEPS):
        case "check in":
            found = [world.check_in(int(index)) for index in chance.choice(9, 4, replace=False)]
            works += [one for one in found if one is not None]
        case "report":
            for work in works[-6:]:
                world.report(work, change_of(work.device, work.number))
        case "work":
            world.work()
        case "restart":
            world.restart()
        case "fail":
            world.database.before, world.database.after = (int(one) for one in chance.integers(0, 2, 2))
            world.work()
        case _:
            world.advance(20)


@pytest.mark.parametrize("seed", range(3))
def test_the_servers_control_variate_stays_the_mean_of_what_devices_were_counted_for(tmp_path, seed):
    """A device advances its own by each report that is counted; the server's is the mean over all devices so far."""
    world, chance, works = World(tmp_path), np.random.default_rng(seed), []
    world.submit(replace(SPEC, rounds=30, aggregation=SCAFFOLD))
    for _ in range(100):
        happen(world, works, chance)
    own: dict[bytes, np.ndarray] = {}
    weights, committed = np.array([1, 2, 3], "f8"), 0
    for record in world.database.rounds(world.task_id):
        if record.state is not RoundState.COMMITTED:
            continue
        counted = sorted(world.database.counted(world.task_id, record.number))
        for device in counted:
            own[device] = own.get(device, np.zeros(3)) + change_of(device, record.number)[3:]
        weights += 0.5 * np.mean([change_of(one, record.number)[:3] for one in counted], axis=0, dtype="f8")
        committed += 1
    assert committed >= 4
    assert len(own) > 4
    np.testing.assert_allclose(world.weights(committed), weights, atol=1e-5)
    control = unpack_weights(world.optimizer_state() or b"")[1]
    np.testing.assert_allclose(control, np.mean(list(own.values()), axis=0), atol=1e-5)
