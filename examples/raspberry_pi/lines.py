"""Samples as lines of text: what a microcontroller writes to a serial line, and what a CSV file holds.

A line is six numbers, as a sensor measures them: acceleration in g (x, y, z, gravity included) and angular velocity in
rad/s (x, y, z); or nine, in the order of `CHANNELS`. Commas or blanks stand between them, and after them may stand the
name of an activity, or "-". An empty line says that samples are missing. Lines that begin with "#" and a CSV file's
header are skipped.

    1.012,-0.123,0.101,0.10,0.02,-0.01,walking
"""

from collections.abc import Iterable, Iterator

import numpy as np

from examples.raspberry_pi.activity import CHANNELS, UNKNOWN, Reading, Sample, activity_index
from examples.raspberry_pi.gravity import SENSED
from fieldfare.core.errors import DataError

LONGEST_LINE = 512
"""Bytes; a sensor at the wrong speed may never send a line's end."""
LARGEST_VALUE = 100.0
"""Beyond what such a sensor measures: 16 g, 2,000 degrees a second (35 rad/s)."""
_MOST_BAD_LINES = 100
_CUT = f"a line has {SENSED} numbers where others had {len(CHANNELS)}"
_HEADERS = (CHANNELS[0].encode(), b"total_acc_x")
_SHAPE = f"a line needs {SENSED} or {len(CHANNELS)} numbers, and an activity after them or none"


def parse_line(line: bytes, *, least: int = 0) -> Sample:
    """The sample of one line that is neither empty nor a comment: `(6,)` or `(9,)` float32.

    Args:
        line: without its end.
        least: how many numbers it must have at the least.

    Raises:
        DataError: not six or nine numbers of a possible size, or an unknown activity. The message holds no value.
    """
    if len(line) > LONGEST_LINE:
        raise DataError(f"a line is longer than {LONGEST_LINE} bytes")
    words = line.decode("ascii", errors="replace").replace(",", " ").split()
    count = len(CHANNELS) if len(words) >= len(CHANNELS) else SENSED
    try:
        values = np.array([float(word) for word in words[:count]], np.float32)
    except ValueError:
        raise DataError(_SHAPE) from None
    if not count <= len(words) <= count + 1:
        raise DataError(_SHAPE)
    if count < least:
        raise DataError(_CUT)
    # Safe: NaN is not below any bound.
    if not (np.abs(values) <= LARGEST_VALUE).all():
        raise DataError(f"a value is beyond {LARGEST_VALUE:g}: accelerations are in g, angular velocities in rad/s")
    return Sample(values, activity_index(words[count]) if len(words) > count else UNKNOWN)


def parse_lines(lines: Iterable[bytes]) -> Iterator[Reading]:
    """Samples of a stream of lines. A line that cannot be read counts as a missing sample.

    Of a stream of nine values a line of six is what was left of nine.

    Raises:
        DataError: a hundred lines in a row cannot be read.
    """
    bad = most = 0
    for line in lines:
        text = line.strip()
        if text.startswith((b"#", *_HEADERS)):
            continue
        if not text:
            yield None
            continue
        try:
            sample = parse_line(text, least=most)
        except DataError as error:
            bad += 1
            if bad >= _MOST_BAD_LINES:
                raise DataError(f"{bad} lines in a row cannot be read; the last: {error}") from error
            yield None
            continue
        bad = 0
        if 0 < most < len(sample.values):
            yield None
        most = len(sample.values)
        yield sample
