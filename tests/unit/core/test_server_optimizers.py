"""Each optimiser by hand, and against a slow reference: plain Python floats, one weight at a time."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest

from fieldfare.core.errors import AggregationError
from fieldfare.core.server_optimizers import (
    CONTROL,
    AveragedStatistics,
    FedAdagrad,
    FedAdam,
    FedYogi,
    GradientStep,
    MeanDelta,
    Momentum,
    Participation,
    Scaffold,
    server_optimizer,
)
from fieldfare.core.tasks import AggregationSpec, Algorithm, Weighting

WEIGHTS = np.array([1.0, -2.0], "f4")
MEAN = np.array([0.5, 4.0], "f4")


def after(optimizer, *means, weights=WEIGHTS):
    """State and weights after rounds with these mean updates; the arguments must not change."""
    state = optimizer.init(weights)
    for mean in means:
        kept = {name: values.copy() for name, values in state.items()}
        new_state, new_weights = optimizer.apply(state, weights, mean)
        assert all((state[name] == values).all() for name, values in kept.items())
        state, weights = new_state, new_weights
        assert {one.dtype for one in (*state.values(), weights)} == {np.dtype("f4")}
    assert WEIGHTS.tolist() == [1.0, -2.0]
    assert MEAN.tolist() == [0.5, 4.0]
    return {name: values.tolist() for name, values in state.items()}, weights.tolist()


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (MeanDelta(), [1.5, 2.0]),
        (MeanDelta(0.5), [1.25, 0.0]),
        (GradientStep(0.5), [0.75, -4.0]),
    ],
)
def test_one_step_without_state_by_hand(optimizer, expected):
    assert after(optimizer, MEAN) == ({}, expected)


def test_the_step_is_rounded_once():
    rng = np.random.default_rng(1)
    weights, mean = rng.normal(size=100_000).astype("f4"), rng.normal(size=100_000).astype("f4")
    once = (weights.astype("f8") + 0.1 * mean.astype("f8")).astype("f4")
    assert (MeanDelta(0.1).apply({}, weights, mean)[1] == once).all()
    assert (weights + np.float32(0.1) * mean != once).any()


def test_what_overflows_is_infinite_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, weights = after(MeanDelta(1e6), np.array([3e38, 1.0], "f4"))
    assert weights == [math.inf, 999998.0]


def test_momentum_by_hand():
    # v: 0.5, then 0.5 * 0.5 + 0.5 = 0.75; 4, then 6. w: 1 + 0.25 + 0.375; -2 + 2 + 3.
    assert after(Momentum(0.5, 0.5), MEAN, MEAN) == ({"momentum": [0.75, 6.0]}, [1.625, 3.0])


def test_momentum_without_memory_is_federated_averaging():
    assert after(Momentum(0.5, 0.0), MEAN, MEAN)[1] == after(MeanDelta(0.5), MEAN, MEAN)[1]


def test_fedadagrad_by_hand():
    # tau = 3, v0 = 9. d = 4: v = 25, w = 1 + 4 / (5 + 3); d = 12: v = 25 + 144 = 169, w = 1.5 + 12 / (13 + 3).
    state, weights = after(FedAdagrad(1.0, 3.0), np.array([4.0], "f4"), np.array([12.0], "f4"), weights=WEIGHTS[:1])
    assert (state, weights) == ({"second_moment": [169.0]}, [2.25])


def test_fedadam_by_hand():
    # tau = 1, v0 = 1, beta1 = 0.5, beta2 = 0.75. d = 5: m = 2.5, v = 0.75 + 0.25 * 25 = 7, no bias correction:
    # w = 1 + 2 * 2.5 / (sqrt(7) + 1). d = 1: m = 1.75, v = 5.25 + 0.25 = 5.5, w += 2 * 1.75 / (sqrt(5.5) + 1).
    state, weights = after(
        FedAdam(2.0, 0.5, 0.75, 1.0), np.array([5.0], "f4"), np.array([1.0], "f4"), weights=WEIGHTS[:1]
    )
    assert state == {"first_moment": [1.75], "second_moment": [5.5]}
    assert weights == [pytest.approx(1 + 5 / (math.sqrt(7) + 1) + 3.5 / (math.sqrt(5.5) + 1), rel=1e-7)]


def test_fedyogi_by_hand():
    # tau = 1, v0 = 1, beta1 = 0, beta2 = 0.75. d = 3: v = 1 + 0.25 * 9 = 3.25, for 9 > 1. d = 1: v = 3.25 - 0.25 = 3.
    optimizer = FedYogi(1.0, 0.0, 0.75, 1.0)
    state, weights = after(optimizer, np.array([3.0], "f4"), np.array([1.0], "f4"), weights=WEIGHTS[:1])
    assert state == {"first_moment": [1.0], "second_moment": [3.0]}
    assert weights == [pytest.approx(1 + 3 / (math.sqrt(3.25) + 1) + 1 / (math.sqrt(3) + 1), rel=1e-7)]
    # A square that equals v leaves it: sign(0) = 0.
    assert after(optimizer, np.array([1.0], "f4"), weights=WEIGHTS[:1])[0]["second_moment"] == [1.0]


def slow_moments(name, w, deltas, *, rate=0.5, beta1=0.9, beta2=0.99, tau=1e-3):
    """Algorithm 2 for one weight in Python floats; the state is rounded to float32 as it is kept."""
    m, v = 0.0, float(np.float32(tau**2))
    beta1 = 0.0 if name == "FEDADAGRAD" else beta1
    for d in deltas:
        square = d * d
        m = beta1 * m + (1 - beta1) * d
        if name == "FEDADAGRAD":
            v = v + square
        elif name == "FEDADAM":
            v = beta2 * v + (1 - beta2) * square
        else:
            v = v - (1 - beta2) * square * ((v > square) - (v < square))
        w = float(np.float32(w + rate * m / (math.sqrt(v) + tau)))
        m, v = float(np.float32(m)), float(np.float32(v))
    return w


@pytest.mark.parametrize("algorithm", [Algorithm.FEDADAGRAD, Algorithm.FEDADAM, Algorithm.FEDYOGI])
def test_ten_rounds_equal_a_slow_reference(algorithm):
    rng = np.random.default_rng(7)
    size = 70_000  # more than one block
    start = rng.normal(size=size).astype("f4")
    deltas = [rng.normal(0, 10.0 ** rng.uniform(-4, 0, size)).astype("f4") for _ in range(10)]
    optimizer = server_optimizer(AggregationSpec(algorithm, server_learning_rate=0.5))
    state, weights = optimizer.init(start), start
    for delta in deltas:
        state, weights = optimizer.apply(state, weights, delta)
    for at in [0, 1, 2, 65_535, 65_536, size - 1, *range(100, 65_000, 997)]:
        expected = slow_moments(algorithm.name, float(start[at]), [float(one[at]) for one in deltas])
        assert float(weights[at]) == pytest.approx(expected, rel=1e-6, abs=1e-9), at


def test_scaffold_by_hand():
    # |S| = 2 of N = 4, none known before: c = 2 / 4 * dc. Then 2 known ones more than 4 before: c = 4/6 c + 3/6 dc.
    first = Scaffold(0.5, Participation(2, 2, 4))
    state, weights = first.apply(first.init(WEIGHTS), WEIGHTS, np.array([0.5, 4.0, 1.0, -2.0], "f4"))
    assert (state[CONTROL].tolist(), weights.tolist()) == ([0.5, -1.0], [1.25, 0.0])
    second = Scaffold(0.5, Participation(3, 4, 8))
    state, _ = second.apply(state, weights, np.array([0.0, 0.0, 4.0, 8.0], "f4"))
    assert state[CONTROL].tolist() == [0.5 * 0.5 + 3 / 8 * 4, 0.5 * -1.0 + 3 / 8 * 8]


def test_the_servers_control_variate_stays_the_mean_of_the_devices():
    rng = np.random.default_rng(2)
    own: dict[int, list[Fraction]] = {}
    weights = np.zeros(3, "f4")
    state = {CONTROL: np.zeros(3, "f4")}
    for _ in range(20):
        cohort = rng.choice(12, 4, replace=False).tolist()
        before, deltas = len(own), {one: rng.normal(size=3).astype("f4") for one in cohort}
        for one, delta in deltas.items():
            own[one] = [a + Fraction(float(b)) for a, b in zip(own.get(one, [Fraction(0)] * 3), delta, strict=True)]
        mean = np.mean([deltas[one] for one in cohort], axis=0, dtype="f8").astype("f4")
        optimizer = Scaffold(1.0, Participation(len(cohort), before, len(own)))
        state, weights = optimizer.apply(state, weights, np.concatenate([np.zeros(3, "f4"), mean]))
    exact = [float(sum(column) / len(own)) for column in zip(*own.values(), strict=True)]
    np.testing.assert_allclose(state[CONTROL], exact, rtol=1e-5, atol=1e-6)


def test_statistics_are_averaged_and_never_adapted():
    inner = FedAdam(1.0, 0.5, 0.75, 1.0)
    optimizer = AveragedStatistics(inner, (slice(1, 2),))
    mean = np.array([5.0, -0.25], "f4")
    state, weights = after(optimizer, mean, mean)
    alone, first = after(inner, mean[:1], mean[:1], weights=WEIGHTS[:1])
    assert weights == [*first, -2.5]
    assert state == {"first_moment": [alone["first_moment"][0], 0.0], "second_moment": [alone["second_moment"][0], 1.0]}
    assert after(AveragedStatistics(MeanDelta(0.5), (slice(0, 1),)), MEAN)[1] == [1.5, 0.0]


@pytest.mark.parametrize(
    ("algorithm", "optimizer"),
    [
        (Algorithm.FEDAVG, MeanDelta(0.25)),
        (Algorithm.FEDPROX, MeanDelta(0.25)),
        (Algorithm.FEDBUFF, MeanDelta(0.25)),
        (Algorithm.DSGD, GradientStep(0.25)),
        (Algorithm.FEDAVGM, Momentum(0.25, 0.8)),
        (Algorithm.FEDADAGRAD, FedAdagrad(0.25, 0.1)),
        (Algorithm.FEDADAM, FedAdam(0.25, 0.8, 0.7, 0.1)),
        (Algorithm.FEDYOGI, FedYogi(0.25, 0.8, 0.7, 0.1)),
        (Algorithm.SCAFFOLD, Scaffold(0.25, Participation(1, 2, 3))),
    ],
)
def test_the_task_chooses_the_optimiser(algorithm, optimizer):
    spec = AggregationSpec(
        algorithm, Weighting.UNIFORM, server_learning_rate=0.25, beta1=0.8, beta2=0.7, adaptivity=0.1
    )
    seen = Participation(1, 2, 3)
    assert server_optimizer(spec, participation=seen) == optimizer
    parts = (slice(3, 5),)
    assert server_optimizer(spec, parts, seen) == AveragedStatistics(optimizer, parts)


def test_scaffold_must_know_whom_the_task_has_seen():
    with pytest.raises(AggregationError, match="how many devices"):
        server_optimizer(AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM))
