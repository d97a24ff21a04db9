"""What a session asks its shell to do, and what the shell gives back."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.metrics import MetricSum
from fieldfare.core.sessions._assignment import Artifact, Assignment
from fieldfare.core.weights import sha256
from fieldfare.protos.v1 import aggregator_pb2


@dataclass(frozen=True, slots=True)
class CheckIn:
    """Make the call; send back the `CheckInResponse`."""

    request: aggregator_pb2.CheckInRequest


@dataclass(frozen=True, slots=True)
class FetchArtifact:
    """Fetch into the cache, resuming at its offset, and check size and digest; send back None."""

    artifact: Artifact
    ticket: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """Train or evaluate with the cached artifacts until `deadline`; send back a `WorkResult`."""

    assignment: Assignment
    deadline: datetime


@dataclass(frozen=True, slots=True)
class WorkResult:
    """How the work ended.

    Attributes:
        outcome: code of `Outcome`.
        example_count: examples behind update or metrics; 0 unless the outcome is DONE.
        metrics: sums over this device's examples.
        vector: the weight delta or gradient, `(n,)` float32; SCAFFOLD: the deltas of weights and control variate,
            `(2 n,)`; None for evaluation, or unless DONE.
        detail: for the device's own log.
        own_metrics: further sums, which the app is told and nobody else.
    """

    outcome: aggregator_pb2.Outcome
    example_count: int = 0
    metrics: Mapping[str, MetricSum] | None = None
    vector: NDArray[np.float32] | None = None
    detail: str = ""
    own_metrics: Mapping[str, MetricSum] | None = None

    @property
    def measured(self) -> dict[str, MetricSum]:
        """What the app is told: what is reported, and what stays here."""
        return {**(self.metrics or {}), **(self.own_metrics or {})}


@dataclass(frozen=True)
class KeptReport:
    """A report that is on the device's disk until its receipt is there.

    Attributes:
        header: what opens the stream.
        payload: the encoded update; empty for evaluation.
        task_id: for the ledger.
        round_number: for the ledger.
        report_by: when the aggregator's time for it is over, by the device's clock; timezone-aware.
    """

    header: aggregator_pb2.ReportHeader
    payload: bytes
    task_id: str
    round_number: int
    report_by: datetime

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the payload, for the disk and for the stream's trailer; made when it is first asked for."""
        return sha256(self.payload)


@dataclass(frozen=True, slots=True)
class Keep:
    """Write the report to disk before it is sent; send back None."""

    report: KeptReport


@dataclass(frozen=True, slots=True)
class Send:
    """Stream header, payload and trailer; send back the `Receipt`."""

    report: KeptReport


@dataclass(frozen=True, slots=True)
class AskReceipt:
    """Send the header alone with `receipt_only`; send back the `Receipt`."""

    report: KeptReport


@dataclass(frozen=True, slots=True)
class KeepControl:
    """The task's report is counted: add `delta` to the device's control variate, once a round; send back None.

    Attributes:
        delta: `(n,)` float32, as the aggregator read it.
    """

    task_id: str
    round_number: int
    delta: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the kept report from disk; send back None."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a while; send back None."""

    duration: timedelta
    reason: str


Action = CheckIn | FetchArtifact | Work | Keep | Send | AskReceipt | KeepControl | Forget | Wait


class Ended(Enum):
    """How a participation ended. `STOPPED` is for the shell: it was told to end."""

    IDLE = "idle"
    COUNTED = "counted"
    LATE = "late"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Participation:
    """The result of a session.

    Attributes:
        come_back_after: when to check in again.
        detail: why, in words.
        assignment: the work, where there was any in this session.
        metrics: what was measured on this device; names that begin with "before/" and "after/" are of its held-out
            examples, before training and after it.
    """

    ended: Ended
    come_back_after: timedelta
    detail: str = ""
    assignment: Assignment | None = None
    metrics: Mapping[str, MetricSum] | None = None


Session = Generator[Action, Any, Participation]
"""Yields actions, is sent their results (or thrown their `TransportError`), returns a `Participation`."""
