import numpy as np
import pytest

from fieldfare.core.server_optimizers import GradientStep, MeanDelta, server_optimizer
from fieldfare.core.tasks import AggregationSpec, Algorithm

WEIGHTS = np.array([1.0, -2.0], "f4")
MEAN = np.array([0.5, 4.0], "f4")


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (MeanDelta(), [1.5, 2.0]),
        (MeanDelta(0.5), [1.25, 0.0]),
        (GradientStep(0.5), [0.75, -4.0]),
    ],
)
def test_one_step_by_hand(optimizer, expected):
    state = optimizer.init(WEIGHTS)
    after, weights = optimizer.apply(state, WEIGHTS, MEAN)
    assert state == after == {}
    assert weights.dtype == np.float32
    assert weights.tolist() == expected
    assert WEIGHTS.tolist() == [1.0, -2.0]
    assert MEAN.tolist() == [0.5, 4.0]


def test_the_step_is_rounded_once():
    rng = np.random.default_rng(1)
    weights, mean = rng.normal(size=1000).astype("f4"), rng.normal(size=1000).astype("f4")
    once = (weights.astype("f8") + 0.1 * mean.astype("f8")).astype("f4")
    assert (MeanDelta(0.1).apply({}, weights, mean)[1] == once).all()
    assert (weights + np.float32(0.1) * mean != once).any()


@pytest.mark.parametrize(
    ("algorithm", "optimizer"), [(Algorithm.FEDAVG, MeanDelta(0.25)), (Algorithm.DSGD, GradientStep(0.25))]
)
def test_the_task_chooses_the_optimiser(algorithm, optimizer):
    assert server_optimizer(AggregationSpec(algorithm=algorithm, server_learning_rate=0.25)) == optimizer
