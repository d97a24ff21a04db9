"""`devices.csv`: a line for each part that a device had in a round, written as the run goes on."""

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fieldfare.core.errors import StorageError
from fieldfare.core.metrics import local_metric_names
from fieldfare.core.wording import one_line
from fieldfare.emulator.records._totals import Totals

if TYPE_CHECKING:
    from fieldfare.emulator.simulation import Ending

FIXED_COLUMNS = (
    "round",
    "kind",
    "device",
    "began_s",
    "seconds",
    "compute_s",
    "transfer_s",
    "ended",
    "why",
    "examples",
    "bytes_down",
    "bytes_up",
    "energy_j",
)
"""Of every run; a column "metric_..." for each metric of the plan follows."""

_KINDS = {1: "training", 2: "evaluation"}
# Of the text, 300 characters of four bytes, and numbers of some hundred metrics.
_LONGEST_LINE = 65_536
_SENT = {"counted", "late", "refused"}


def reported_metrics(names: Sequence[str], *, local: bool) -> tuple[str, ...]:
    """The metrics that a device's report may carry, in the order of their columns.

    Args:
        names: the plan's.
        local: whether the task has devices measure before and after they train.
    """
    return (*names, *(sorted(local_metric_names(names)) if local else ()))


class DeviceRows:
    """Appends lines; what is in the file stays there whatever becomes of the run.

    Args:
        path: the file.
        totals: are counted along.
        metrics: names of the metrics that devices report, in the order of their columns.
        keep: go on after this many bytes, which `position` gave: what comes behind them is cut off. 0: begin anew.

    Raises:
        StorageError: the file cannot be written, or is shorter than what is to be kept.
    """

    def __init__(self, path: Path, totals: Totals, metrics: Sequence[str], keep: int = 0) -> None:
        self._path, self._totals, self._metrics = path, totals, tuple(metrics)
        self._is_damaged = False
        try:
            self._file = path.open("r+" if keep else "w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file, lineterminator="\n")
            if keep:
                self._go_on(keep)
            else:
                self._writer.writerow([*FIXED_COLUMNS, *(f"metric_{name}" for name in self._metrics)])
                self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, ending: "Ending", began_s: float) -> None:
        """A device's part is over.

        Args:
            ending: what it did, and how that ended.
            began_s: emulated seconds from the beginning to its check-in.

        Raises:
            StorageError: the disk is full.
        """
        flight, how, found = ending.flight, ending.how, ending.metrics
        seconds = (flight.ends - flight.began).total_seconds()
        sent = flight.bytes_up if how in _SENT else 0
        self._totals.add(how, seconds, flight.bytes_down, sent, flight.energy_j)
        given = flight.assignment
        row: list[Any] = [given.round_number, _KINDS[given.kind], flight.device, f"{began_s:.3f}", f"{seconds:.3f}"]
        row += [f"{flight.compute.total_seconds():.3f}", f"{flight.transfer.total_seconds():.3f}"]
        row += [how, one_line(ending.why), ending.examples, flight.bytes_down, sent, f"{flight.energy_j:.3f}"]
        row += [f"{found[name]:.7g}" if name in found else "" for name in self._metrics]
        try:
            self._writer.writerow(row)
        except OSError as error:
            raise self._unwritable(error) from error

    def position(self) -> int:
        """Bytes that are in the file now, all lines so far.

        Raises:
            StorageError: the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        return self._path.stat().st_size

    def close(self) -> None:
        """Write what is not written yet.

        Raises:
            StorageError: the disk is full; the lines that are on it are whole.
        """
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            if self._is_damaged:
                self._cut()

    def _cut(self) -> None:
        """Remove the beginning of a line at the end."""
        with contextlib.suppress(OSError), self._path.open("r+b") as file:
            start = max(0, file.seek(0, 2) - _LONGEST_LINE)
            file.seek(start)
            file.truncate(start + file.read().rfind(b"\n") + 1)

    def __enter__(self) -> "DeviceRows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go_on(self, keep: int) -> None:
        if self._path.stat().st_size < keep:
            raise StorageError(f"{self._path} is shorter than it was: it cannot be gone on with")
        self._file.truncate(keep)
        self._file.seek(0, 2)

    def _unwritable(self, error: OSError) -> StorageError:
        self._is_damaged = True
        return StorageError(f"cannot write {self._path}: {error.strerror or error}")
