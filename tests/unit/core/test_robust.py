"""The combiners by hand; their properties are in `tests/property/test_robust_properties.py`."""

import numpy as np
import pytest

from fieldfare.core.aggregation import combine, coordinate_median, multi_krum, trimmed_mean
from fieldfare.core.errors import AggregationError
from fieldfare.core.tasks import AggregationSpec, Combiner

# On a line, so that squared distances can be read off: 0, 1, 3, 100.
LINE = [np.array([x, 2.0], "f4") for x in (0.0, 1.0, 3.0, 100.0)]


def updates(*rows: list[float]) -> list[np.ndarray]:
    return [np.array(row, "f4") for row in rows]


def test_the_median_of_an_odd_and_of_an_even_number():
    odd = updates([1, 9, -5], [2, 8, 1e6], [300, 7, 4])
    assert coordinate_median(odd).tolist() == [2, 8, 4]
    assert coordinate_median([*odd, np.array([3, 0, 5], "f4")]).tolist() == [2.5, 7.5, 4.5]
    assert coordinate_median(odd[:1]).tolist() == [1, 9, -5]


@pytest.mark.parametrize(
    ("trim", "expected"),
    [(0.0, 22.0), (0.19, 22.0), (0.2, 4.0), (0.39, 4.0), (0.4, 3.0), (0.49999999999, 3.0)],
)
def test_the_trimmed_mean_of_five(trim, expected):
    assert trimmed_mean(updates([100], [1], [3], [8], [-2]), trim).tolist() == [expected]


def test_a_share_that_is_a_whole_number_cuts_as_many():
    assert 0.29 * 100 < 29
    values = [np.array([float(index)], "f4") for index in range(100)]
    values[71] = np.array([1e6], "f4")
    # The 29 largest go: 1e6 and 72 to 99.
    assert trimmed_mean(values, 0.29).tolist() == [np.float32(sum(range(29, 71)) / 42)]


def test_krum_takes_the_update_with_the_nearest_neighbours():
    # m = 4, f = 0: two neighbours. Scores: 0: 1 + 9 = 10; 1: 1 + 4 = 5; 3: 4 + 9 = 13; 100: 97^2 + 99^2 = 19210.
    assert multi_krum(LINE, 0, 1).tolist() == [1.0, 2.0]
    assert multi_krum(LINE, 0, 2).tolist() == [0.5, 2.0]
    assert multi_krum(LINE, 0, 3).tolist() == [np.float32(4 / 3), 2.0]
    # m = 5, f = 1: two neighbours, and the two far ones are no company for each other.
    five = [*LINE, np.array([-100.0, 2.0], "f4")]
    assert multi_krum(five, 1, 1).tolist() == [1.0, 2.0]


def test_of_equal_scores_the_first_wins():
    # 0, 1, 2, 3 with m = 4, f = 0: the scores are 5, 2, 2, 5.
    line = [np.array([x], "f4") for x in (3.0, 2.0, 1.0, 0.0)]
    assert multi_krum(line, 0, 1).tolist() == [2.0]
    assert multi_krum(line[::-1], 0, 1).tolist() == [1.0]


def test_near_updates_of_a_large_norm_are_told_apart():
    far = [np.array([2.0**20, x], "f4") for x in (0.0, 2.0**-20, 3 * 2.0**-20, 1.0)]
    assert multi_krum(far, 0, 1).tolist() == [2.0**20, np.float32(2.0**-20)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (AggregationSpec(combiner=Combiner.MEDIAN), coordinate_median(LINE)),
        (AggregationSpec(combiner=Combiner.TRIMMED_MEAN, trim=0.25), trimmed_mean(LINE, 0.25)),
        (AggregationSpec(combiner=Combiner.KRUM), multi_krum(LINE, 0, 1)),
        (AggregationSpec(combiner=Combiner.MULTI_KRUM, krum_selected=3), multi_krum(LINE, 0, 3)),
    ],
)
def test_the_task_chooses_the_combiner(spec, expected):
    before = [one.copy() for one in LINE]
    result = combine(spec, LINE)
    assert (result.dtype, result.tolist()) == (np.float32, expected.tolist())
    assert all((one == old).all() for one, old in zip(LINE, before, strict=True))


@pytest.mark.parametrize("combiner", [one for one in Combiner if one is not Combiner.MEAN])
def test_many_blocks_give_what_one_gives(combiner, monkeypatch):
    rng = np.random.default_rng(3)
    several = [rng.normal(size=1000).astype("f4") for _ in range(6)]
    spec = AggregationSpec(combiner=combiner, krum_selected=4)
    whole = combine(spec, several)
    monkeypatch.setattr("fieldfare.core.aggregation._robust._BLOCK_VALUES", 6 * 128)
    blocks = combine(spec, several)
    assert (whole == blocks).all()


@pytest.mark.parametrize(
    ("spec", "rows", "words"),
    [
        (AggregationSpec(combiner=Combiner.MEDIAN), [], "no update"),
        (AggregationSpec(combiner=Combiner.MEDIAN), updates([1], [1, 2]), "same length"),
        (AggregationSpec(), LINE, "kept as a sum"),
        (AggregationSpec(combiner=Combiner.KRUM, byzantine=1), LINE, "select 1 of 4 updates against 1 hostile"),
        (AggregationSpec(combiner=Combiner.MULTI_KRUM, krum_selected=5), LINE, "select 5 of 4"),
    ],
)
def test_what_cannot_be_combined(spec, rows, words):
    with pytest.raises(AggregationError, match=words):
        combine(spec, rows)
