"""What a sensor's lines may look like, and what becomes of those that may not."""

import numpy as np
import pytest

from examples.raspberry_pi.activity import CHANNELS, UNKNOWN
from examples.raspberry_pi.lines import parse_line, parse_lines
from fieldfare.core.errors import DataError

GOOD = b"0.5,-1,2e-1,0,0,0,1.25,0.0,-0.125"
VALUES = np.array([0.5, -1, 0.2, 0, 0, 0, 1.25, 0, -0.125], np.float32)


@pytest.mark.parametrize(
    ("line", "label"),
    [
        (GOOD, UNKNOWN),
        (GOOD.replace(b",", b" "), UNKNOWN),
        (GOOD.replace(b",", b", ") + b"\r", UNKNOWN),
        (GOOD + b",-", UNKNOWN),
        (GOOD + b",walking", 0),
        (GOOD + b" Laying", 5),
    ],
)
def test_a_line_is_a_sample(line: bytes, label: int) -> None:
    sample = parse_line(line)
    np.testing.assert_array_equal(sample.values, VALUES)
    assert sample.values.dtype == np.float32
    assert sample.label == label


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"0.5,1", "6 or 9 numbers"),
        (b"1,2,3,4,5,6,walking,7", "6 or 9 numbers"),
        (b"1,2,3,4,5,6,7", "no such activity"),
        (b"1,2,3,4,5,6,7,8", "6 or 9 numbers"),
        (GOOD + b",walking,1", "6 or 9 numbers"),
        (GOOD.replace(b"1.25", b"x1.25"), "6 or 9 numbers"),
        (GOOD.replace(b"1.25", b"\xff\xfe"), "6 or 9 numbers"),
        (GOOD.replace(b"1.25", b"nan"), "beyond 100"),
        (GOOD.replace(b"1.25", b"-inf"), "beyond 100"),
        (GOOD.replace(b"1.25", b"100.5"), "beyond 100"),
        (GOOD + b",flying", "no such activity"),
        (b"1" * 513, "longer than 512"),
    ],
)
def test_a_line_that_is_no_sample_is_refused_without_its_values(line: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_line(line)
    for secret in ("1.25", "0.125", "flying", "11111"):
        assert secret not in str(caught.value)


def test_six_numbers_are_what_a_sensor_measures() -> None:
    sample = parse_line(b"1.0 0 0.1 0.01 -0.02 0.03 upstairs")
    np.testing.assert_array_equal(sample.values, np.array([1, 0, 0.1, 0.01, -0.02, 0.03], np.float32))
    assert sample.label == 1
    assert parse_line(b"1,0,0,0,0,0").label == UNKNOWN


def test_comments_and_headers_are_skipped_and_empty_lines_are_gaps() -> None:
    header, six = (",".join([*names, "activity"]).encode() for names in (CHANNELS, CHANNELS[6:] + CHANNELS[3:6]))
    found = list(parse_lines([header, six, b"# worn on the left", GOOD, b"", GOOD + b",sitting", b"  "]))
    assert [None if one is None else one.label for one in found] == [UNKNOWN, None, 3, None]


def test_a_damaged_line_is_a_gap() -> None:
    found = list(parse_lines([b"5,0.2", GOOD, GOOD[:-9], GOOD]))
    assert [one is None for one in found] == [True, False, True, False]


def test_six_numbers_among_nines_are_what_was_left_of_nine() -> None:
    six = b"1,0,0,0,0,0"
    found = list(parse_lines([six, GOOD, six, GOOD]))
    assert [None if one is None else len(one.values) for one in found] == [6, None, 9, None, 9]


def test_a_hundred_damaged_lines_in_a_row_end_it() -> None:
    lines = [*[b"?"] * 99, GOOD, *[b"?"] * 100, GOOD]
    stream = parse_lines(lines)
    assert sum(next(stream) is None for _ in range(100)) == 99
    with pytest.raises(DataError, match="100 lines in a row cannot be read; the last: a line needs 6 or 9 numbers"):
        list(stream)
