"""Samples as lines of text: what a microcontroller writes to a serial line, and what a CSV file holds.

A line is nine numbers in the order of `CHANNELS`, in g and rad/s, with commas or blanks between them; after them may
stand the name of an activity, or "-". An empty line says that samples are missing. Lines that begin with "#", and a CSV
file's header (it begins with `body_acc_x`), are skipped.

    0.012,-0.003,0.021,0.10,0.02,-0.01,1.012,-0.123,0.101,walking
"""

from collections.abc import Iterable, Iterator

import numpy as np

from examples.raspberry_pi.activity import CHANNELS, UNKNOWN, Reading, Sample, activity_index
from fieldfare.core.errors import DataError

LONGEST_LINE = 512
"""Bytes; a sensor at the wrong speed may never send a line's end."""
LARGEST_VALUE = 100.0
"""Beyond what such a sensor measures: 16 g, 2,000 degrees a second (35 rad/s)."""
_MOST_BAD_LINES = 100


def parse_line(line: bytes) -> Sample:
    """The sample of one line that is neither empty nor a comment.

    Raises:
        DataError: not nine numbers of a possible size, or an unknown activity. The message holds no value.
    """
    if len(line) > LONGEST_LINE:
        raise DataError(f"a line is longer than {LONGEST_LINE} bytes")
    try:
        words = line.decode("ascii").replace(",", " ").split()
        values = np.array([float(word) for word in words[: len(CHANNELS)]], np.float32)
    except ValueError:
        raise DataError(f"a line needs {len(CHANNELS)} numbers, and an activity after them or none") from None
    if len(values) != len(CHANNELS) or len(words) > len(CHANNELS) + 1:
        raise DataError(f"a line needs {len(CHANNELS)} numbers, and an activity after them or none")
    # Safe: NaN is not below any bound.
    if not (np.abs(values) <= LARGEST_VALUE).all():
        raise DataError(f"a value is beyond {LARGEST_VALUE:g}: accelerations are in g, angular velocities in rad/s")
    label = activity_index(words[len(CHANNELS)]) if len(words) > len(CHANNELS) else UNKNOWN
    return Sample(values, label)


def parse_lines(lines: Iterable[bytes]) -> Iterator[Reading]:
    """Samples of a stream of lines. A line that cannot be read counts as a missing sample.

    Raises:
        DataError: a hundred lines in a row cannot be read.
    """
    bad = 0
    for line in lines:
        text = line.strip()
        if text.startswith((b"#", CHANNELS[0].encode())):
            continue
        if not text:
            yield None
            continue
        try:
            sample = parse_line(text)
        except DataError as error:
            bad += 1
            if bad >= _MOST_BAD_LINES:
                raise DataError(f"{bad} lines in a row cannot be read; the last: {error}") from error
            yield None
            continue
        bad = 0
        yield sample
