"""Windows slide over samples, and never across a gap."""

import numpy as np

from examples.raspberry_pi.activity import UNKNOWN, Sample
from examples.raspberry_pi.windows import SlidingWindow, Window


def _sample(number: int, label: int = 0) -> Sample:
    return Sample(np.full(9, number, np.float32), label)


def _windows(sliding: SlidingWindow, numbers: range, label: int = 0) -> list[Window]:
    return [found for one in numbers if (found := sliding.push(_sample(one, label))) is not None]


def test_windows_of_four_by_two() -> None:
    found = _windows(SlidingWindow(4, 2), range(9))
    assert [window.values[:, 0].tolist() for window in found] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert all(window.values.shape == (4, 9) and window.values.dtype == np.float32 for window in found)


def test_windows_without_overlap() -> None:
    found = _windows(SlidingWindow(3, 3), range(7))
    assert [window.values[:, 8].tolist() for window in found] == [[0, 1, 2], [3, 4, 5]]


def test_a_window_is_a_copy() -> None:
    sliding = SlidingWindow(2, 1)
    (first,) = _windows(sliding, range(2))
    _windows(sliding, range(2, 9))
    assert first.values[:, 0].tolist() == [0, 1]


def test_no_window_reaches_across_a_gap() -> None:
    sliding = SlidingWindow(4, 2)
    assert _windows(sliding, range(3)) == []
    assert sliding.push(None) is None
    found = _windows(sliding, range(10, 14))
    assert [window.values[:, 0].tolist() for window in found] == [[10, 11, 12, 13]]


def test_a_label_is_that_of_every_sample_or_none() -> None:
    sliding = SlidingWindow(4, 2)
    labels = [2, 2, 2, 2, 2, 3, 3, 3, 3, UNKNOWN, UNKNOWN, UNKNOWN]
    found = [one for index, label in enumerate(labels) if (one := sliding.push(_sample(index, label))) is not None]
    assert [window.label for window in found] == [2, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
