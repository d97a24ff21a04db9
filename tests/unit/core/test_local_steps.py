"""The device's own steps by hand, and their place among each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.local_steps import ControlVariates, control_delta, proximal_step, scaffold_step

W = np.array([1.0, -2.0], "f4")
G = np.array([4.0, 8.0], "f4")
ZERO = np.zeros(2, "f4")


def test_a_proximal_step_by_hand():
    # w - 0.5 (g + 2 (w - w0)), w - w0 = (1, -4): (1 - 0.5 * 6, -2 - 0.5 * 0).
    anchor = np.array([0.0, 2.0], "f4")
    after = proximal_step(W, G, anchor, learning_rate=0.5, mu=2.0)
    assert (after.dtype, after.tolist()) == (np.float32, [-2.0, -2.0])
    assert (W.tolist(), G.tolist(), anchor.tolist()) == ([1.0, -2.0], [4.0, 8.0], [0.0, 2.0])


def test_a_corrected_step_by_hand():
    # w - 0.5 (g - c_i + c): (1 - 0.5 (4 - 1 + 3), -2 - 0.5 (8 - 2 - 2)).
    control = ControlVariates(own=np.array([1.0, 2.0], "f4"), server=np.array([3.0, -2.0], "f4"))
    after = scaffold_step(W, G, control, learning_rate=0.5)
    assert (after.dtype, after.tolist()) == (np.float32, [-2.0, -4.0])


def test_the_control_variates_change_by_hand():
    # (x - y) / (K eta) - c with K = 2, eta = 0.25: ((1 - 0) / 0.5 - 3, (-2 - 1) / 0.5 + 2).
    end, server = np.array([0.0, 1.0], "f4"), np.array([3.0, -2.0], "f4")
    delta = control_delta(W, end, server, steps=2, learning_rate=0.25)
    assert (delta.dtype, delta.tolist()) == (np.float32, [-1.0, -4.0])


numbers = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
vectors = st.lists(numbers, min_size=2, max_size=2).map(lambda one: np.array(one, "f4"))
rates = st.floats(2.0**-10, 1.0)


@given(vectors, vectors, vectors, rates)
def test_without_mu_or_without_control_variates_a_step_is_plain_sgd(w, g, anchor, rate):
    plain = w - np.float32(rate) * g
    assert (proximal_step(w, g, anchor, learning_rate=rate, mu=0.0) == plain).all()
    assert (scaffold_step(w, g, ControlVariates(ZERO, ZERO), learning_rate=rate) == plain).all()


@given(vectors, vectors, rates, st.floats(0, 10))
def test_at_the_anchor_there_is_no_pull(w, g, rate, mu):
    assert (proximal_step(w, g, w, learning_rate=rate, mu=mu) == w - np.float32(rate) * g).all()


@given(vectors, vectors, vectors, rates, st.integers(1, 20))
def test_after_equal_gradients_the_new_control_variate_is_that_gradient(start, g, server, rate, steps):
    """c_i+ = c_i + delta, for steps that were corrected by c_i and c."""
    control = ControlVariates(own=g - server, server=server)
    w = start
    for _ in range(steps):
        w = scaffold_step(w, g, control, learning_rate=rate)
    delta = control_delta(start, w, server, steps=steps, learning_rate=rate)
    # Corrected gradient: g - (g - c) + c = 2 c; c_i+ = c_i - c + 2 c = g.
    tolerance = 1e-5 * (np.abs(start).max() / (rate * steps) + np.abs(g).max() + np.abs(server).max() + 1) * steps
    np.testing.assert_allclose(control.own + delta, g, atol=tolerance)


def drift(step, rounds: int = 60) -> float:
    """Distance from the optimum of two devices' joint loss after rounds of many local steps.

    Their losses are (w - 1)^2 and 4 (w + 1)^2: together 5 w^2 + 6 w + ..., least at w = -0.6.
    """
    slopes = [lambda w: 2 * (w - 1), lambda w: 8 * (w + 1)]
    w, c, own = np.zeros(1, "f4"), np.zeros(1, "f4"), [np.zeros(1, "f4"), np.zeros(1, "f4")]
    for _ in range(rounds):
        ends, turned = [], []
        for index, slope in enumerate(slopes):
            y = w
            for _ in range(20):
                y = step(y, slope(y), w, ControlVariates(own[index], c))
            ends.append(y)
            turned.append(control_delta(w, y, c, steps=20, learning_rate=0.05))
        own = [a + b for a, b in zip(own, turned, strict=True)]
        c = c + np.mean(turned, axis=0, dtype="f4")
        w = np.mean(ends, axis=0, dtype="f4")
    return abs(float(w[0]) + 0.6)


def test_scaffold_ends_the_drift_of_unlike_devices_and_fedprox_lessens_it():
    averaging = drift(lambda y, g, w, _: proximal_step(y, g, w, learning_rate=0.05, mu=0.0))
    proximal = drift(lambda y, g, w, _: proximal_step(y, g, w, learning_rate=0.05, mu=5.0))
    scaffold = drift(lambda y, g, _, control: scaffold_step(y, g, control, learning_rate=0.05))
    assert scaffold < 1e-3
    assert scaffold < proximal < averaging
    assert averaging == pytest.approx(0.5, abs=0.2)
