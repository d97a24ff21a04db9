"""Bandwidths that change: bytes are added up second by second."""

import numpy as np
import pytest

from fieldfare.emulator.devices._bandwidths import Bandwidths, make_direction
from fieldfare.emulator.devices._cycles import make_cycles

# 10 B/s for 2 s, nothing for 3 s, 4 B/s for 5 s: 40 B in 10 s. Then a pattern of one piece: 7 B/s.
CYCLES = make_cycles([10.0, 4.0], [np.array([0.0, 2.0, 5.0]), np.array([0.0])])
DOWN = np.array([10.0, 0.0, 4.0, 7.0])
CHANGING = Bandwidths(CYCLES, make_direction(CYCLES, DOWN), make_direction(CYCLES, np.array([0.0, 0.0, 1.0, 1.0])))


@pytest.mark.parametrize(
    ("pattern", "begins", "nbytes", "seconds"),
    [
        (0, 0.0, 0, 0.0),
        (0, 0.0, 15, 1.5),
        (0, 0.0, 20, 2.0),
        (0, 0.0, 24, 6.0),
        (0, 0.0, 40, 10.0),
        (0, 0.0, 41, 10.1),
        (0, 1.0, 10, 1.0),
        (0, 3.0, 4, 3.0),
        (0, 9.0, 4, 1.0),
        (0, 9.0, 14, 2.0),
        (0, 19.0, 84, 21.0),
        (0, -1.0, 4, 1.0),
        (1, 3.0, 70, 10.0),
    ],
)
def test_a_transfer_takes_until_its_last_byte_is_through(
    pattern: int, begins: float, nbytes: int, seconds: float
) -> None:
    assert CHANGING.seconds(pattern, begins, nbytes, up=False) == pytest.approx(seconds)


def test_the_other_direction_has_its_own() -> None:
    assert CHANGING.seconds(0, 0.0, 6, up=True) == pytest.approx(16.0)


def test_any_transfer_agrees_with_counting_in_small_steps() -> None:
    rng = np.random.default_rng(3)
    rates = rng.integers(0, 5, 30).astype(float)
    cycles = make_cycles([30.0], [np.arange(30.0)])
    trace = Bandwidths(cycles, make_direction(cycles, rates), make_direction(cycles, rates))
    for begins, nbytes in zip(rng.integers(0, 60, 50), rng.integers(1, 200, 50), strict=True):
        moment, left = int(begins), float(nbytes)
        while left > rates[moment % 30]:
            left -= rates[moment % 30]
            moment += 1
        expected = moment - begins + left / rates[moment % 30]
        assert trace.seconds(0, float(begins), int(nbytes), up=True) == pytest.approx(expected)
