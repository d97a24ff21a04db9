import math

import numpy as np
import pytest

from fieldfare.core.aggregation import FixedPointSum, SumBounds, check_norm, clipped, euclidean_norm, staleness_weight
from fieldfare.core.errors import UpdateError

THREE_FOUR = np.array([3.0, 0.0, -4.0], "f4")


def test_the_norm_is_summed_in_float64():
    assert euclidean_norm(THREE_FOUR) == 5.0
    assert euclidean_norm(np.zeros(0, "f4")) == 0.0
    # In float32 a sum of so many equal squares stops growing at 2^24 of them; here it does not.
    assert euclidean_norm(np.ones(2**20 + 1, "f4")) == math.sqrt(2**20 + 1)
    assert euclidean_norm(np.full(4, 2.0**20, "f4")) == 2.0**21


def test_a_norm_beyond_the_bound_is_refused_by_name():
    check_norm(THREE_FOUR, 5.0)
    check_norm(THREE_FOUR, 0.0)
    with pytest.raises(UpdateError, match=r"norm 5, beyond 4\.5") as caught:
        check_norm(THREE_FOUR, 4.5)
    assert caught.value.reason == "norm"


def test_clipping_scales_down_and_never_up():
    assert clipped(THREE_FOUR, 2.5).tolist() == [1.5, 0.0, -2.0]
    assert THREE_FOUR.tolist() == [3.0, 0.0, -4.0]
    assert clipped(THREE_FOUR, 5.0) is THREE_FOUR
    assert clipped(THREE_FOUR, 7.0) is THREE_FOUR
    assert clipped(THREE_FOUR, 0.0) is THREE_FOUR
    zero = np.zeros(3, "f4")
    assert clipped(zero, 1.0) is zero


def test_clipping_over_many_blocks():
    long = np.random.default_rng(0).normal(size=100_001).astype("f4")
    short = clipped(long, 3.0)
    assert euclidean_norm(short) == pytest.approx(3.0, rel=1e-6)
    assert (short == (long.astype("f8") * (3.0 / euclidean_norm(long))).astype("f4")).all()


@pytest.mark.parametrize(
    ("staleness", "exponent", "weight"),
    [(0, 0.5, 256), (3, 0.5, 128), (8, 0.5, 85), (1, 1.0, 128), (2, 1.0, 85), (1000, 0.0, 256), (1000, 10.0, 1)],
)
def test_staleness_weights_by_hand(staleness, exponent, weight):
    assert staleness_weight(staleness, exponent) == weight


def test_staleness_weights_fall_and_stay_within_half_a_unit_of_the_papers():
    weights = [staleness_weight(t, 0.5) for t in range(200)]
    assert weights == sorted(weights, reverse=True)
    assert all(abs(weight / 256 - (1 + t) ** -0.5) <= 2**-9 for t, weight in enumerate(weights))


def test_the_finer_weight_costs_no_accuracy():
    """A sum whose weights are 256 times as large gives the same mean to the last bit: its quantum follows."""
    rng = np.random.default_rng(4)
    fine, plain = (FixedPointSum(1000, SumBounds(256.0, 100_000 * unit, 100)) for unit in (256, 1))
    for _ in range(50):
        vector, weight = rng.normal(0, 1e-3, 1000).astype("f4"), int(rng.integers(1, 100_000))
        fine.add(vector, weight * staleness_weight(0, 0.5))
        plain.add(vector, weight)
    assert (fine.mean() == plain.mean()).all()
