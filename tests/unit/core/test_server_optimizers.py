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
    # In float32 0.1f * 3f rounds before the addition; in float64 only the sum is rounded.
    weights, mean = np.array([1e-8], "f4"), np.array([3.0], "f4")
    expected = np.float32(np.float64(weights[0]) + 0.1 * 3.0)
    assert MeanDelta(0.1).apply({}, weights, mean)[1][0] == expected


@pytest.mark.parametrize(
    ("algorithm", "optimizer"), [(Algorithm.FEDAVG, MeanDelta(0.25)), (Algorithm.DSGD, GradientStep(0.25))]
)
def test_the_task_chooses_the_optimiser(algorithm, optimizer):
    assert server_optimizer(AggregationSpec(algorithm=algorithm, server_learning_rate=0.25)) == optimizer
