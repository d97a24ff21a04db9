import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest

from fieldfare.core.aggregation import FixedPointSum, SumBounds
from fieldfare.core.errors import AggregationError, StorageError

BOUNDS = SumBounds(max_abs_value=256.0, max_weight=100_000, max_updates=1000)


def vector(*values: float) -> np.ndarray:
    return np.array(values, "f4")


@pytest.mark.parametrize(
    ("bounds", "bits"),
    [
        (SumBounds(1.0, 1, 1), 51),
        (SumBounds(1.0, 1, 2**11), 51),
        (SumBounds(1.0, 1, 2**11 + 1), 50),
        (SumBounds(1.0, 1, 2**12), 50),
        (SumBounds(256.0, 100_000, 1000), 26),
        (SumBounds(256.0, 100_000, 130_000), 20),
        (SumBounds(0.5, 1, 1), 52),
        (SumBounds(2.0**40, 2**20, 1), -9),
    ],
)
def test_the_quantum_follows_from_the_bounds(bounds, bits):
    assert bounds.fraction_bits == bits


@pytest.mark.parametrize(
    "bounds",
    [
        (0.0, 1, 1),
        (-1.0, 1, 1),
        (math.nan, 1, 1),
        (math.inf, 1, 1),
        (5e-324, 1, 1),
        (2.0**-150, 1, 1),
        (2.0**129, 1, 1),
        (1.0, 0, 1),
        (1.0, 1, 0),
        (1.0, 2**31 + 1, 1),
        (1.0, 1, 2**32 + 1),
    ],
)
def test_bounds_that_no_sum_can_keep_are_refused(bounds):
    with pytest.raises(AggregationError, match="cannot be kept within SumBounds"):
        SumBounds(*bounds)


@pytest.mark.parametrize("exponent", [-149, 127])
def test_the_widest_bounds_still_average_right_and_fit_a_snapshot(exponent):
    bounds = SumBounds(2.0**exponent, 2**31, 2**32)
    total = FixedPointSum(2, bounds)
    total.add(np.array([2.0**exponent, -(2.0**exponent)], "f4"), 2**31)
    total.weight, total.count = total.weight * 2**32, 2**32
    total._sum *= 2**32
    again = FixedPointSum.from_bytes(total.to_bytes(), bounds)
    assert again.mean().tolist() == [2.0**exponent, -(2.0**exponent)]


def test_weighted_mean_by_hand():
    total = FixedPointSum(2, BOUNDS)
    total.add(vector(1.0, -2.0), 1)
    total.add(vector(5.0, 6.0), 3)
    assert (total.weight, total.count, total.size) == (4, 2, 2)
    mean = total.mean()
    assert mean.dtype == np.float32
    assert mean.tolist() == [4.0, 4.0]


def test_values_are_rounded_to_the_nearest_quantum_with_ties_to_even():
    bounds = SumBounds(2.0**51, 1, 1)
    assert bounds.fraction_bits == 0
    values = (0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -0.51)
    total = FixedPointSum(len(values), bounds)
    total.add(vector(*values), 1)
    assert total.mean().tolist() == [0, 2, 2, 0, -2, -2, 0, -1]


@pytest.mark.parametrize("updates", [1, 2**11, 2**11 + 1])
def test_no_overflow_at_the_very_bounds(updates):
    bounds = SumBounds(256.0, 2**17, updates)
    total = FixedPointSum(2, bounds)
    total.add(vector(256.0, -256.0), 2**17)
    total._sum *= updates  # the same as so many updates at the bound
    total.weight, total.count = updates * 2**17, updates
    assert abs(int((total._sum - total._offset)[0])) <= 2**62
    assert total.mean().tolist() == [256.0, -256.0]


def test_bounds_that_are_no_power_of_two_do_not_overflow_either():
    bounds = SumBounds(float(np.float32(0.1)), 99_999, 3)
    total = FixedPointSum(2, bounds)
    for _ in range(3):
        total.add(vector(0.1, -0.1), 99_999)
    assert total.mean().tolist() == vector(0.1, -0.1).tolist()


def test_vectors_longer_than_a_chunk_are_added_whole():
    size = 2**15 * 2 + 7
    values = np.arange(size, dtype="f4") % 251 - 125
    total = FixedPointSum(size, BOUNDS)
    total.add(values, 3)
    total.add(-3 * values / 2, 2)
    assert not total.mean().any()
    total.add(values, 1)
    assert (total.mean() == (values / 6).astype("f4")).all()


def test_an_empty_model_has_an_empty_mean():
    total = FixedPointSum(0, BOUNDS)
    total.add(vector(), 1)
    assert total.mean().shape == (0,)


def test_ten_thousand_updates_stay_within_the_stated_error_and_within_1e_6_of_the_exact_mean():
    updates, size = 10_000, 32
    bounds = SumBounds(256.0, 100_000, updates)
    rng = np.random.default_rng(7)
    vectors = rng.normal(0.01, 0.02, (updates, size)).astype("f4")
    weights = rng.integers(1, 1000, updates)
    total = FixedPointSum(size, bounds)
    for one, weight in zip(vectors, weights, strict=True):
        total.add(one, int(weight))
    exact = [
        sum(int(weight) * Fraction(float(value)) for weight, value in zip(weights, column, strict=True)) / total.weight
        for column in vectors.T
    ]
    half_quantum = Fraction(1, 2 ** (bounds.fraction_bits + 1))
    for mean, one in zip(total.mean(), exact, strict=True):
        error = abs(Fraction(float(mean)) - one)
        assert error <= updates * half_quantum / total.weight + abs(one) * Fraction(1, 2**23)
        assert error <= abs(one) * Fraction(1, 10**6)


def test_single_examples_at_default_bounds_and_the_largest_cohort_keep_half_a_quantum():
    bounds = SumBounds(256.0, 100_000, 130_000)
    total = FixedPointSum(1, bounds)
    for _ in range(100):
        total.add(vector(0.001), 1)
    assert abs(float(total.mean()[0]) - 0.001) <= 2.0**-21 + 1e-10


def test_nothing_to_average_is_an_error():
    with pytest.raises(AggregationError, match="no mean of no updates"):
        FixedPointSum(1, BOUNDS).mean()


@pytest.mark.parametrize(
    ("values", "weight", "words"),
    [
        (vector(1.0), 1, r"expected 2 values, got shape \(1,\)"),
        (np.zeros((2, 1), "f4"), 1, "expected 2 values"),
        (vector(1.0, 2.0), 0, "weight 0 is not within 1 to 100000"),
        (vector(1.0, 2.0), 100_001, "weight 100001 is not"),
    ],
)
def test_a_refused_update_changes_nothing(values, weight, words):
    total = FixedPointSum(2, BOUNDS)
    total.add(vector(1.0, 2.0), 1)
    before = total.to_bytes()
    with pytest.raises(AggregationError, match=words):
        total.add(values, weight)
    assert total.to_bytes() == before


def test_no_more_updates_than_the_bounds_allow():
    bounds = SumBounds(1.0, 1, 2)
    total = FixedPointSum(1, bounds)
    total.add(vector(1.0), 1)
    total.add(vector(1.0), 1)
    with pytest.raises(AggregationError, match="already holds 2 of at most 2 updates"):
        total.add(vector(1.0), 1)
    other = FixedPointSum(1, bounds)
    other.add(vector(1.0), 1)
    with pytest.raises(AggregationError, match="already holds 1 of at most 2"):
        other.merge(total)
    assert (other.count, other.weight) == (1, 1)


def test_merging_is_adding():
    one, other, whole = (FixedPointSum(2, BOUNDS) for _ in range(3))
    for total in (one, whole):
        total.add(vector(0.1, 0.2), 7)
    for total in (other, whole):
        total.add(vector(-0.3, 0.7), 11)
    one.merge(other)
    assert one.to_bytes() == whole.to_bytes()
    assert (one.weight, one.count) == (18, 2)


@pytest.mark.parametrize("other", [FixedPointSum(3, BOUNDS), FixedPointSum(2, SumBounds(255.0, 100_000, 1000))])
def test_sums_of_another_kind_do_not_merge(other):
    with pytest.raises(AggregationError, match="same size and bounds"):
        FixedPointSum(2, BOUNDS).merge(other)


def test_snapshot_byte_for_byte():
    total = FixedPointSum(2, BOUNDS)
    total.add(vector(1.0, -2.0), 3)
    zero_digest = (
        b"FFSNAPSH"
        + (1).to_bytes(4, "little")
        + (26).to_bytes(4, "little")
        + (3).to_bytes(8, "little")
        + (1).to_bytes(8, "little")
        + (2).to_bytes(8, "little")
        + bytes(32)
    )
    body = (3 * 2**26).to_bytes(8, "little") + (-6 * 2**26).to_bytes(8, "little", signed=True)
    digest = hashlib.sha256(zero_digest + body).digest()
    assert total.to_bytes() == zero_digest[:-32] + digest + body
    again = FixedPointSum.from_bytes(total.to_bytes(), BOUNDS)
    assert again.to_bytes() == total.to_bytes()
    assert again.mean().tolist() == [1.0, -2.0]


def test_every_flipped_bit_of_a_snapshot_is_noticed():
    total = FixedPointSum(1, BOUNDS)
    total.add(vector(1.0), 1)
    data = total.to_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StorageError):
            FixedPointSum.from_bytes(bytes(damaged), BOUNDS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"", "not a snapshot"),
        (lambda data: data[:71], "not a snapshot"),
        (lambda data: b"X" + data[1:], "not a snapshot"),
        (lambda data: data[:8] + b"\x02" + data[9:], "has version 2 and 80 bytes"),
        (lambda data: data[:-1], "and 79 bytes; it is damaged or newer"),
        (lambda data: data + b"\0", "and 81 bytes"),
        (lambda data: data[:-1] + b"\x7f", "digest does not match"),
    ],
)
def test_a_damaged_snapshot_says_how(change, words):
    total = FixedPointSum(1, BOUNDS)
    total.add(vector(1.0), 1)
    with pytest.raises(StorageError, match=words):
        FixedPointSum.from_bytes(change(total.to_bytes()), BOUNDS)


def test_a_snapshot_under_other_bounds_is_refused():
    total = FixedPointSum(1, BOUNDS)
    total.add(vector(1.0), 1)
    total.add(vector(1.0), 1)
    for bounds in (SumBounds(512.0, 100_000, 1000), SumBounds(256.0, 100_000, 1)):
        with pytest.raises(StorageError, match="under other bounds"):
            FixedPointSum.from_bytes(total.to_bytes(), bounds)
