"""What the phones of ExtraSensory were doing, minute by minute.

Vaizman, Ellis and Lanckriet 2017, "Recognizing detailed human context in the wild from smartphones and smartwatches",
IEEE Pervasive Computing 16(4). The file holds 30 of its 60 people, who lived in San Diego.
"""

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError

FILE_NAME = "extrasensory_phone_state.csv.gz"
STEP_S = 300
STILL_G = 0.01
"""A phone whose accelerometer varies by less lies still, and nobody holds it: the data does not say whether the screen
is on. Of the minutes in which people said that they slept, 90 % are below; of those with the phone on a table, 82 %."""

_ZONE = ZoneInfo("America/Los_Angeles")
_MONDAY = datetime(2015, 1, 5)  # noqa: DTZ001 - the people's own clocks
_WIFI = "2"


@dataclass(frozen=True, slots=True)
class Person:
    """One phone, in steps of 300 s; a step in which most minutes have a state has it.

    Attributes:
        name: as in the file.
        steps: `(n,)` int64: numbers of the steps with a record, counted from a Monday's midnight by the person's clock.
        holds: `(n, 3)` bool: charging, on Wi-Fi, idle.
    """

    name: str
    steps: NDArray[np.int64]
    holds: NDArray[np.bool_]

    @property
    def hours(self) -> NDArray[np.int64]:
        """`(n,)`: hour of the day."""
        return self.steps * STEP_S // 3600 % 24


def read_people(path: Path) -> list[Person]:
    """Everybody in the file, in its order.

    Raises:
        DataError: it is not there, or not this file.
    """
    minutes: dict[str, list[tuple[int, bool, bool, bool]]] = {}
    try:
        with gzip.open(path) as packed:
            for row in csv.DictReader(io.TextIOWrapper(packed, encoding="utf-8")):
                own = datetime.fromtimestamp(int(row["t"]), _ZONE).replace(tzinfo=None)
                step = int((own - _MONDAY).total_seconds()) // STEP_S
                still = 0 <= float(row["acc_std"] or -1) < STILL_G
                minutes.setdefault(row["user"], []).append((step, row["charging"] == "1", row["net"] == _WIFI, still))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not {FILE_NAME}: {error}") from error
    return [_person(name, np.array(rows)) for name, rows in minutes.items()]


def _person(name: str, rows: NDArray[np.int64]) -> Person:
    steps, at, counts = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    sums = np.zeros((len(steps), 3))
    np.add.at(sums, at, rows[:, 1:])
    return Person(name, steps, sums / counts[:, None] >= 0.5)  # noqa: PLR2004
