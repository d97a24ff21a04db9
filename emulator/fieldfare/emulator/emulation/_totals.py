"""What a fleet has done, device by device and in all."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fieldfare.emulator.simulation import Ending

_COLUMNS = ("round", "kind", "device", "began_s", "seconds", "ended", "bytes_down", "bytes_up")
_KINDS = {1: "training", 2: "evaluation"}


@dataclass(slots=True)
class Totals:
    """Counted as the devices end.

    Attributes:
        ended: how many assignments ended in which way.
        device_seconds: time that devices were at work, all together.
        bytes_down: artifacts that were fetched.
        bytes_up: reports that were sent, late ones included.
    """

    ended: Counter[str] = field(default_factory=Counter)
    device_seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0


class DeviceRows:
    """`devices.csv`: a line for each part that a device had in a round. A context manager.

    Args:
        path: the file.
        totals: are counted along.
    """

    def __init__(self, path: Path, totals: Totals) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(_COLUMNS)
        self._totals = totals

    def add(self, ending: Ending, began_s: float) -> None:
        """A device's part is over.

        Args:
            ending: what it did, and how that ended.
            began_s: emulated seconds from the beginning to its check-in.
        """
        flight, how = ending.flight, ending.how
        seconds = (flight.ends - flight.began).total_seconds()
        sent = flight.bytes_up if how in {"counted", "late", "refused"} else 0
        self._totals.ended[how] += 1
        self._totals.device_seconds += seconds
        self._totals.bytes_down += flight.bytes_down
        self._totals.bytes_up += sent
        given = flight.assignment
        row = (given.round_number, _KINDS[given.kind], flight.device, f"{began_s:.3f}", f"{seconds:.3f}", how)
        self._writer.writerow([*row, flight.bytes_down, sent])

    def close(self) -> None:
        """Write what is not written yet."""
        self._file.close()
