import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.errors import ConfigError, DataError
from fieldfare.emulator import dirichlet_partition


def split(labels, devices, *, alpha=1.0, seed=0, min_examples=1):
    rng = np.random.default_rng(seed)
    return dirichlet_partition(np.asarray(labels), devices, alpha=alpha, rng=rng, min_examples=min_examples)


@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=300),
    devices=st.integers(1, 20),
    alpha=st.floats(1e-3, 1e6),
    seed=st.integers(0, 2**32),
)
def test_every_row_is_in_exactly_one_sorted_part(labels, devices, alpha, seed):
    parts = split(labels, devices, alpha=alpha, seed=seed, min_examples=0)
    assert len(parts) == devices
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert all(np.issubdtype(part.dtype, np.integer) for part in parts)


@given(devices=st.integers(1, 8), least=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_every_device_has_the_least_number_of_examples(devices, least, seed):
    labels = np.arange(400) % 10
    parts = split(labels, devices, alpha=1.0, seed=seed, min_examples=least)
    assert min(len(part) for part in parts) >= least


@given(seed=st.integers(0, 2**32), alpha=st.floats(0.05, 100))
def test_the_seed_settles_the_parts(seed, alpha):
    labels = np.arange(200) % 10
    first, again = (split(labels, 6, alpha=alpha, seed=seed, min_examples=0) for _ in range(2))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]


def test_another_seed_gives_other_parts():
    labels = np.arange(200) % 10
    first, other = (split(labels, 6, seed=seed) for seed in (1, 2))
    assert [part.tolist() for part in first] != [part.tolist() for part in other]


def test_a_small_alpha_gives_devices_fewer_labels_than_a_large_one():
    labels = np.arange(2000) % 10

    def mean_labels(alpha):
        return np.mean([len(np.unique(labels[part])) for part in split(labels, 10, alpha=alpha)])

    assert mean_labels(0.05) < 5
    assert mean_labels(1.0) > mean_labels(0.05) + 2
    assert mean_labels(1000.0) == 10


def test_a_large_alpha_gives_nearly_equal_shares():
    sizes = [len(part) for part in split(np.zeros(1000, int), 4, alpha=1e6)]
    assert all(abs(size - 250) <= 5 for size in sizes)


def test_labels_may_be_words():
    parts = split(["heron", "wren", "heron", "wren", "heron", "wren"], 2, alpha=100.0)
    assert sorted(np.concatenate(parts).tolist()) == [0, 1, 2, 3, 4, 5]


def test_as_many_devices_as_examples():
    parts = split([0, 0, 0], 3, alpha=1000.0)
    assert sorted(part.tolist() for part in parts) == [[0], [1], [2]]


@pytest.mark.parametrize("devices", [0, -1])
def test_too_few_devices(devices):
    with pytest.raises(ConfigError, match=r"^devices: must be at least 1$"):
        split([0, 1], devices)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf"), 1e308, 1.1e6])
def test_an_alpha_out_of_bounds(alpha):
    with pytest.raises(ConfigError, match=r"^alpha: must be above 0 and at most 1e\+06$"):
        split([0, 1], 2, alpha=alpha)


@pytest.mark.parametrize(("labels", "devices", "least"), [([0, 1], 3, 1), ([0, 1, 2], 2, 2), ([], 1, 0)])
def test_more_devices_than_the_examples_allow(labels, devices, least):
    with pytest.raises(DataError, match=f"{len(labels)} examples are too few for {devices} devices with {least} each"):
        split(labels, devices, min_examples=least)


def test_a_least_number_that_no_draw_gives():
    with pytest.raises(DataError, match="no draw of 1000 gave each of 5 devices 20 examples: raise alpha"):
        split(np.zeros(100, int), 5, alpha=0.01, min_examples=20)
