"""SCAFFOLD's control variates of a whole fleet, on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import StorageError
from fieldfare.core.files import write_atomically
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.controls import ControlStore


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a round's end brings for a report.

    Attributes:
        device: whose it is.
        task_id: of its task.
        round_number: in which it was assigned.
        counted: whether the aggregator counted it.
    """

    device: int
    task_id: str
    round_number: int
    counted: bool


class FleetControls:
    """Every device's control variate, and what is held until its report is counted.

    Args:
        folder: made where it is absent.
        size: values of the plan's weights.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size

    def of(self, device: int, assignment: aggregator_pb2.Assignment) -> NDArray[np.float32]:
        """A device's control variate, `(size,)` float32.

        Raises:
            StorageError: it cannot be read or written.
        """
        return self._store(device).begin(assignment.task_id, assignment.plan.sha256, self._size)

    def hold(self, number: int, delta: NDArray[np.float32]) -> None:
        """Keep what the device of this flight adds once its report is counted.

        Raises:
            StorageError: it cannot be written.
        """
        path = self._held(number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, delta.astype("<f4", copy=False).tobytes())
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error

    def settle(self, settlements: Mapping[int, Settlement]) -> None:
        """Add what is held of counted reports, and forget the rest. The same again changes nothing.

        Args:
            settlements: by the flight's number.

        Raises:
            StorageError: a file cannot be read or written.
        """
        for number, one in settlements.items():
            path = self._held(number)
            try:
                if one.counted and path.exists():
                    delta = np.fromfile(path, "<f4")
                    self._store(one.device).advance(one.task_id, one.round_number, delta)
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(f"{path} cannot be read or removed: {error.strerror or error}") from error

    def _store(self, device: int) -> ControlStore:
        return ControlStore(self._folder / "devices" / str(device))

    def _held(self, number: int) -> Path:
        return self._folder / "held" / str(number)
