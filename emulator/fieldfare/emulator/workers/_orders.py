"""What workers are asked to do, and what comes back."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import FieldfareError


class WorkersError(FieldfareError):
    """Worker processes end again and again; says how."""


@dataclass(frozen=True, slots=True)
class Order:
    """One device's part in one round.

    Attributes:
        number: of the order; each one only once.
        device: from 0.
        device_id: 16 bytes.
        now: the emulated present.
        answer: serialised `CheckInResponse` with an assignment.
        control: SCAFFOLD, training: the device's control variate, `(n,)` float32; None for everything else.
    """

    number: int
    device: int
    device_id: bytes
    now: datetime
    answer: bytes
    control: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A device's report, as it would go out.

    Attributes:
        number: of the order.
        header: serialised `ReportHeader`; says how the work ended.
        payload: the encoded update; empty where there is none. May lie in memory that is used again once the order's
            `take` is left.
        control_delta: SCAFFOLD: what the device adds to its control variate once it is told that its report is
            counted, `(n,)` float32.
        detail: why the device gave up, in words.
    """

    number: int
    header: bytes
    payload: bytes | memoryview
    control_delta: NDArray[np.float32] | None
    detail: str

    def with_payload(self, payload: bytes | memoryview) -> "Done":
        """The same with another payload. Written out, since `dataclasses.replace` takes ten times as long."""
        return Done(self.number, self.header, payload, self.control_delta, self.detail)


class Workers(Protocol):
    """Who carries orders out."""

    def put(self, order: Order, priority: float) -> None:
        """Take an order in; those with the smallest priority are carried out first."""

    def take(self, number: int) -> AbstractContextManager[Done]:
        """Wait for the result of an order that was put, and was not dropped.

        Raises:
            WorkersError: the workers that tried have ended on their own.
        """

    def drop(self, number: int) -> None:
        """The order's result is not wanted any more; it is not begun, if it is not begun yet."""
