"""Make a trace of states from ExtraSensory, for `fleet.traces.states` of a scenario.

    python -m examples.phone_fleet.states > states.csv

A day of a person counts with records of 12 hours or more; a person's days follow each other from a Monday on, so the
hour of the day is kept and the day of the week is not. A state lasts for half an hour beyond its last record; beyond
that nothing is known of the phone, which then has the network "none", and so is not available.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.phone_fleet.extrasensory import FILE_NAME, STEP_S, Person, read_people
from fieldfare.core.errors import FieldfareError

COLUMNS = ("device", "start", "end", "charging", "network", "idle")
BEGINNING = datetime(2024, 1, 1)  # noqa: DTZ001 - the device's own clock
DAY = 86_400 // STEP_S
ENOUGH = 12 * 3600 // STEP_S
HELD = 1800 // STEP_S
_UNKNOWN = -1

State = tuple[int, str, int]


def rows_of(person: Person) -> Iterator[tuple[str, str, str, int, str, int]]:
    """The person's lines of the trace; none where no day has enough records."""
    codes = np.concatenate([*_days(person), np.empty(0, np.int64)])
    begins = np.flatnonzero(np.diff(codes, prepend=-2))
    for first, last in zip(begins, np.append(begins, len(codes))[1:], strict=True):
        start, end = (BEGINNING + timedelta(seconds=int(step) * STEP_S) for step in (first, last))
        yield person.name, start.isoformat(), end.isoformat(), *_state(int(codes[first]))


def main() -> int:
    """Write the trace to standard output."""
    parser = argparse.ArgumentParser(description="Make a trace of phones' states from ExtraSensory.")
    default = Path(os.environ.get("FIELDFARE_DATA", "../shared/data")) / FILE_NAME
    parser.add_argument("file", type=Path, nargs="?", default=default, help="(%(default)s)")
    try:
        people = read_people(parser.parse_args().file)
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for person in people:
        writer.writerows(rows_of(person))
    return 0


def _days(person: Person) -> Iterator[NDArray[np.int64]]:
    """`(steps of a day,)` codes of each day that counts."""
    codes = person.holds @ np.array([4, 2, 1])
    for day in np.unique(person.steps // DAY):
        among = person.steps // DAY == day
        if among.sum() >= ENOUGH:
            found = np.full(DAY, _UNKNOWN, np.int64)
            found[person.steps[among] % DAY] = codes[among]
            yield _held(found)


def _held(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each known state lasts for half an hour, unless another comes."""
    steps = np.arange(len(codes))
    known = np.maximum.accumulate(np.where(codes != _UNKNOWN, steps, -1))
    return np.where((known >= 0) & (steps - known <= HELD), codes[known], _UNKNOWN)


def _state(code: int) -> State:
    if code == _UNKNOWN:
        return 0, "none", 0
    return code >> 2, "unmetered" if code & 2 else "metered", code & 1


if __name__ == "__main__":
    sys.exit(main())
