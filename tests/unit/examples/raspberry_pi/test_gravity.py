"""Gravity is what stays."""

import math

import numpy as np

from examples.raspberry_pi.activity import Sample
from examples.raspberry_pi.gravity import Gravity, nine_values, sensed


def test_a_sensor_at_rest_has_no_acceleration_of_the_body() -> None:
    gravity = Gravity()
    at_rest = np.array([0.6, 0, 0.8, 0.01, 0.02, 0.03], np.float32)
    for _ in range(3):
        nine = gravity.nine_of(at_rest)
        assert nine.dtype == np.float32
        np.testing.assert_allclose(nine, [0, 0, 0, 0.01, 0.02, 0.03, 0.6, 0, 0.8], atol=1e-6)


def test_a_step_decays_with_the_filter_s_time() -> None:
    gravity = Gravity()
    gravity.nine_of(np.zeros(6, np.float32))
    after = [gravity.nine_of(np.array([1, 0, 0, 0, 0, 0], np.float32))[0] for _ in range(50)]
    # After n samples exp(-2 pi f n / rate) of a step is left: 0.3 Hz, 50 samples a second.
    np.testing.assert_allclose(after[0], math.exp(-2 * math.pi * 0.3 / 50), rtol=1e-5)
    np.testing.assert_allclose(after[49], math.exp(-2 * math.pi * 0.3), rtol=1e-4)


def test_what_moves_faster_is_the_body_s() -> None:
    gravity = Gravity()
    time = np.arange(500) / 50
    moving = np.sin(2 * np.pi * 3 * time)
    found = [gravity.nine_of(np.array([1 + one, 0, 0, 0, 0, 0], np.float32))[0] for one in moving]
    assert np.corrcoef(found[100:], moving[100:])[0, 1] > 0.99


def test_a_gap_begins_afresh_and_nine_values_stay() -> None:
    six, nine = np.arange(6, dtype=np.float32), np.arange(9, dtype=np.float32)
    found = list(nine_values([Sample(six, 2), None, Sample(six + 1, 3), Sample(nine, 4)]))
    assert found[1] is None
    assert [one.label for one in found if one is not None] == [2, 3, 4]
    np.testing.assert_array_equal(found[0].values, [0, 0, 0, 3, 4, 5, 0, 1, 2])
    np.testing.assert_array_equal(found[2].values, [0, 0, 0, 4, 5, 6, 1, 2, 3])
    np.testing.assert_array_equal(found[3].values, nine)


def test_what_a_sensor_would_have_measured() -> None:
    (one, gap) = sensed([Sample(np.arange(9, dtype=np.float32), 1), None])
    assert gap is None
    np.testing.assert_array_equal(one.values, [6, 7, 8, 3, 4, 5])
    assert one.label == 1
