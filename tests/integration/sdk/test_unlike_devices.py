"""Devices whose examples tell different stories, trained on LiteRT: what FedProx and SCAFFOLD are for.

Linear regressions of three devices with different slopes and spreads. Their joint loss has an optimum that can be
written down; many local steps pull federated averaging to another point (client drift, Karimireddy et al. 2020,
section 3.2).
"""

import hashlib

import numpy as np
import pytest

from fieldfare.core.local_steps import ControlVariates
from fieldfare.core.server_optimizers import CONTROL, Participation, server_optimizer
from fieldfare.core.tasks import AggregationSpec, Algorithm, LocalTrainingSpec, Weighting
from fieldfare.sdk.training import LiteRtTrainer
from tests.support.tiny_plan import tiny_plan

SPREADS, SLOPES, OFFSETS = (0.5, 1.0, 2.0), (3.0, 0.0, -1.0), (-2.0, 1.0, 0.5)
CHANCE = np.random.default_rng(8)
DEVICES = []
for spread, slope, offset in zip(SPREADS, SLOPES, OFFSETS, strict=True):
    x = CHANCE.normal(0, spread, (4, 1)).astype("f4")
    DEVICES.append({"x": x, "y": (slope * x + offset).astype("f4")})


def optimum() -> np.ndarray:
    """Where the mean of the devices' mean squared errors is least."""
    rows = [np.hstack([one["x"], np.ones((4, 1))]).astype("f8") for one in DEVICES]
    left = sum(one.T @ one for one in rows)
    right = sum(one.T @ device["y"].astype("f8") for one, device in zip(rows, DEVICES, strict=True))
    return np.linalg.solve(left, right)[:, 0]


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> LiteRtTrainer:
    path = tmp_path_factory.mktemp("plan") / "plan.tflite"
    path.write_bytes(tiny_plan())
    made = LiteRtTrainer()
    made.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    return made


def distances(trainer: LiteRtTrainer, algorithm: Algorithm, rounds: int = 60, mu: float = 0.0) -> list[float]:
    """How far from the optimum the weights are after each round of ten local steps on all four examples."""
    spec = AggregationSpec(algorithm, Weighting.UNIFORM)
    local = LocalTrainingSpec(epochs=10, learning_rate=0.05, proximal_mu=mu)
    weights, state, found = np.zeros(2, "f4"), {CONTROL: np.zeros(2, "f4")}, []
    own = [np.zeros(2, "f4") for _ in DEVICES]
    for number in range(rounds):
        reports = [
            trainer.train(
                weights,
                examples,
                local=local,
                algorithm=algorithm,
                rng=np.random.default_rng([index, number]),
                interrupt=lambda: "",
                control=ControlVariates(own[index], state[CONTROL]),
            ).vector
            for index, examples in enumerate(DEVICES)
        ]
        own = [before + one[2:] for before, one in zip(own, reports, strict=True)] if reports[0].size > 2 else own
        seen = Participation(3, 3 if number else 0, 3)
        optimizer = server_optimizer(spec, participation=seen)
        new, weights = optimizer.apply(state, weights, np.mean(reports, axis=0, dtype="f8").astype("f4"))
        state = new
        found.append(float(np.linalg.norm(weights - optimum())))
    return found


def test_scaffold_ends_the_drift_and_fedprox_lessens_it(trainer: LiteRtTrainer) -> None:
    averaging = distances(trainer, Algorithm.FEDAVG)[-1]
    proximal = distances(trainer, Algorithm.FEDPROX, mu=1.0)[-1]
    scaffold = distances(trainer, Algorithm.SCAFFOLD)[-1]
    assert scaffold < 1e-4
    assert 0.1 < proximal < averaging


def test_the_stronger_the_pull_the_smaller_the_drift(trainer: LiteRtTrainer) -> None:
    ends = [distances(trainer, Algorithm.FEDPROX, mu=mu)[-1] for mu in (0.0, 0.5, 2.0, 8.0)]
    assert ends == sorted(ends, reverse=True)
    assert ends[-1] < ends[0] / 2
