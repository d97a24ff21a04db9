from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldfare.core.aggregation import FixedPointSum, SumBounds

BOUNDS = SumBounds(max_abs_value=256.0, max_weight=100_000, max_updates=64)
SIZE = 3

values = st.floats(-256.0, 256.0, width=32)
updates = st.lists(
    st.tuples(st.lists(values, min_size=SIZE, max_size=SIZE), st.integers(1, 100_000)), min_size=1, max_size=20
)


def sum_of(parts, bounds: SumBounds = BOUNDS) -> FixedPointSum:
    total = FixedPointSum(SIZE, bounds)
    for vector, weight in parts:
        total.add(np.array(vector, "f4"), weight)
    return total


@given(updates, st.randoms(use_true_random=False))
def test_the_sum_is_the_same_in_any_order(parts, random):
    shuffled = list(parts)
    random.shuffle(shuffled)
    assert sum_of(parts).to_bytes() == sum_of(shuffled).to_bytes()


@given(updates, st.lists(st.integers(0, 3), min_size=20, max_size=20))
def test_the_sum_is_the_same_over_any_replicas_and_their_snapshots(parts, replicas):
    shares = [
        sum_of([part for part, at in zip(parts, replicas, strict=False) if at == replica]) for replica in range(4)
    ]
    merged = FixedPointSum(SIZE, BOUNDS)
    for share in shares[::-1]:
        merged.merge(FixedPointSum.from_bytes(share.to_bytes(), BOUNDS))
    assert merged.to_bytes() == sum_of(parts).to_bytes()
    assert (merged.mean() == sum_of(parts).mean()).all()


def exact_means(parts) -> list[Fraction]:
    total = sum(weight for _, weight in parts)
    return [sum(weight * Fraction(vector[at]) for vector, weight in parts) / total for at in range(SIZE)]


@given(updates)
def test_the_mean_is_within_half_a_quantum_for_each_update_of_the_exact_one(parts):
    total = sum_of(parts)
    quantum = Fraction(1, 2**BOUNDS.fraction_bits)
    for mean, exact in zip(total.mean(), exact_means(parts), strict=True):
        rounding = abs(exact) / 2**23 + Fraction(1, 2**149)
        assert abs(Fraction(float(mean)) - exact) <= len(parts) * quantum / 2 / total.weight + rounding


@settings(max_examples=200)
@given(
    st.floats(2.0**-20, 2.0**20, width=32),
    st.integers(1, 10**7),
    st.integers(1, 2**20),
    st.lists(st.sampled_from([1, -1, 0]), min_size=SIZE, max_size=SIZE),
)
def test_no_bounds_overflow_at_their_own_corner(max_abs_value, max_weight, max_updates, signs):
    bounds = SumBounds(max_abs_value, max_weight, max_updates)
    total = sum_of([([sign * max_abs_value for sign in signs], max_weight)], bounds)
    corner = [max_updates * int(one) for one in total._sum - total._offset]
    assert all(abs(one) <= 2**62 for one in corner)
    total._sum *= max_updates
    total.weight, total.count = total.weight * max_updates, max_updates
    again = FixedPointSum.from_bytes(total.to_bytes(), bounds)
    for mean, sign in zip(again.mean(), signs, strict=True):
        half_quantum = Fraction(1, 2) / Fraction(2) ** bounds.fraction_bits / max_weight
        exact = sign * Fraction(max_abs_value)
        assert abs(Fraction(float(mean)) - exact) <= half_quantum + abs(exact) / 2**23
