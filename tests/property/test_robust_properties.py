"""Robust combiners against references in exact arithmetic, and what they promise against hostile updates."""

import math
import statistics
from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldfare.core.aggregation import (
    clipped,
    coordinate_median,
    euclidean_norm,
    multi_krum,
    trimmed_mean,
)

values = st.floats(-256, 256, width=32, allow_subnormal=False)
small = st.integers(-64, 64).map(float)  # squared distances of these are exact in float64


@st.composite
def cohorts(draw, elements=values, least: int = 1, most: int = 9) -> list[np.ndarray]:
    size = draw(st.integers(1, 4))
    vectors = st.lists(elements, min_size=size, max_size=size).map(lambda one: np.array(one, "f4"))
    return draw(st.lists(vectors, min_size=least, max_size=most))


def columns(updates) -> list[list[Fraction]]:
    return [[Fraction(float(one[at])) for one in updates] for at in range(updates[0].size)]


def once(exact: Fraction) -> np.float32:
    return np.float32(float(exact))


def close(found: np.ndarray, exact: list[Fraction]) -> bool:
    return all(
        abs(Fraction(float(one)) - other) <= Fraction(2) ** -23 * max(abs(other), Fraction(2) ** -100)
        for one, other in zip(found, exact, strict=True)
    )


@given(cohorts())
def test_the_median_is_the_exact_one_rounded_once(updates):
    assert coordinate_median(updates).tolist() == [once(statistics.median(one)) for one in columns(updates)]


@given(cohorts(), st.integers(0, 499))
def test_the_trimmed_mean_is_the_exact_one(updates, per_mille):
    cut = len(updates) * per_mille // 1000
    exact = [statistics.mean(sorted(one)[cut : len(one) - cut]) for one in columns(updates)]
    absolute = [max(map(abs, one)) for one in columns(updates)]
    found = trimmed_mean(updates, per_mille / 1000)
    for one, other, largest in zip(found, exact, absolute, strict=True):
        # Terms that cancel leave the rounding of float64; else it is one rounding to float32.
        assert abs(Fraction(float(one)) - other) <= abs(other) * Fraction(2) ** -23 + largest * Fraction(2) ** -50


def slow_krum(updates, byzantine: int, selected: int) -> list[Fraction]:
    exact = [[Fraction(float(value)) for value in one] for one in updates]
    neighbours = len(updates) - byzantine - 2
    scores = []
    for index, one in enumerate(exact):
        distances = sorted(
            sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for at, other in enumerate(exact) if at != index
        )
        scores.append((sum(distances[:neighbours]), index))
    best = [exact[index] for _, index in sorted(scores)[:selected]]
    return [sum(column, Fraction(0)) / selected for column in zip(*best, strict=True)]


@given(st.data())
def test_krum_is_the_papers(data):
    updates = data.draw(cohorts(small, least=3))
    byzantine = data.draw(st.integers(0, (len(updates) - 3) // 2))
    selected = data.draw(st.integers(1, len(updates) - byzantine))
    assert close(multi_krum(updates, byzantine, selected), slow_krum(updates, byzantine, selected))


@given(cohorts(least=3), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(updates, random):
    shuffled = list(updates)
    random.shuffle(shuffled)
    assert (coordinate_median(updates) == coordinate_median(shuffled)).all()
    assert (trimmed_mean(updates, 0.2) == trimmed_mean(shuffled, 0.2)).all()
    distances = [[float(np.square(a.astype("f8") - b).sum()) for a in updates] for b in updates]
    scores = [sum(sorted(row)[: len(updates) - 1]) for row in distances]
    assume(len(set(scores)) == len(scores))
    assert (multi_krum(updates, 0, 1) == multi_krum(shuffled, 0, 1)).all()


hostile = st.floats(-(2.0**99), 2.0**99, width=32)


@given(st.data())
def test_a_hostile_minority_cannot_move_the_median_beyond_the_honest(data):
    honest = data.draw(cohorts())
    attacks = st.lists(hostile, min_size=honest[0].size, max_size=honest[0].size).map(lambda one: np.array(one, "f4"))
    attackers = data.draw(st.lists(attacks, max_size=(len(honest) - 1)))
    found = coordinate_median([*attackers, *honest])
    assert (np.min(honest, axis=0) <= found).all()
    assert (found <= np.max(honest, axis=0)).all()


@given(st.data())
def test_a_trimmed_minority_cannot_move_the_mean_beyond_the_honest(data):
    honest = data.draw(cohorts(least=4))
    attacks = st.lists(hostile, min_size=honest[0].size, max_size=honest[0].size).map(lambda one: np.array(one, "f4"))
    attackers = data.draw(st.lists(attacks, max_size=(len(honest) - 1) // 3))
    everyone = [*honest, *attackers]
    assume(math.floor(0.25 * len(everyone)) >= len(attackers))
    found = trimmed_mean(everyone, 0.25).astype("f8")
    assert (np.min(honest, axis=0) - 1e-4 <= found).all()
    assert (found <= np.max(honest, axis=0) + 1e-4).all()


@given(st.data())
def test_krum_excludes_outliers(data):
    honest = [one / 64 for one in data.draw(cohorts(small, least=5))]
    byzantine = (len(honest) - 3) // 2
    far = st.floats(1e3, 1e6, width=32).map(lambda one: np.full(honest[0].size, one, "f4"))
    attackers = data.draw(st.lists(far, min_size=byzantine, max_size=byzantine))
    found = multi_krum([*attackers, *honest], byzantine, len(honest) - byzantine)
    assert (np.abs(found) <= 1).all()


@given(cohorts(), st.floats(1e-3, 1e3))
def test_clipped_updates_keep_their_direction_and_the_bound(updates, bound):
    for one in updates:
        short = clipped(one, bound)
        assert euclidean_norm(short) <= max(bound * (1 + 1e-6), 1e-30)
        norm = euclidean_norm(one)
        if norm <= bound:
            assert short is one
        else:
            np.testing.assert_allclose(short, one.astype("f8") * bound / norm, rtol=1e-6, atol=1e-30)
