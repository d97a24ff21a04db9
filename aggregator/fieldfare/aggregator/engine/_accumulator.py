"""What an open round has added up in memory: the one place where single updates pass through, and are gone."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldfare.aggregator.engine._held import HeldUpdates
from fieldfare.core.aggregation import FixedPointSum, MetricTotals, SumBounds
from fieldfare.core.metrics import MetricSum
from fieldfare.core.tasks import STALENESS_BITS, Algorithm, TaskSpec, Weighting


def sum_bounds(spec: TaskSpec) -> SumBounds:
    """Bounds that follow from the specification alone, so that a snapshot stays readable after a restart.

    Devices that were asked before a crash may report beside those asked after it; hence the headroom over `asked`.
    """
    weight = spec.local.max_examples if spec.aggregation.weighting is Weighting.EXAMPLES else 1
    if spec.aggregation.algorithm is Algorithm.FEDBUFF:
        weight <<= STALENESS_BITS
    return SumBounds(spec.aggregation.max_abs_value, weight, 4 * spec.training.asked + 1000)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One device's checked report.

    Attributes:
        vector: the decoded update; None in an evaluation round.
        weight: what the update counts for; 0 in an evaluation round.
        examples: examples behind it.
        payload_bytes: length of the encoded update.
    """

    device: bytes
    metrics: Mapping[str, MetricSum]
    examples: int
    payload_bytes: int
    vector: NDArray[np.float32] | None = None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    """All that an accumulator held at one moment.

    Attributes:
        devices: every device in it, those of earlier snapshots included.
        result: the sum as bytes (for a snapshot), or nothing.
        mean: the weighted mean (for a commit), or nothing.
        metrics: exact totals as JSON.
    """

    devices: frozenset[bytes]
    metrics: str
    weight: int
    examples: int
    bytes_up: int
    result: bytes | bytearray = b""
    mean: NDArray[np.float32] | None = None


class Accumulator:
    """Sum, metric totals and the devices in them, changed together under one lock.

    Args:
        total: the sum to go on from; None for an evaluation round, and where updates are held.
        metrics: the totals to go on from.
        devices: the devices in them.
        examples: examples behind them.
        bytes_up: payload bytes behind them.
        held: takes the single updates, where the combiner needs them all; then nothing is written before the commit.
    """

    def __init__(
        self,
        total: FixedPointSum | None,
        metrics: MetricTotals,
        devices: Iterable[bytes] = (),
        *,
        examples: int = 0,
        bytes_up: int = 0,
        held: HeldUpdates | None = None,
    ) -> None:
        self._held = held
        self._lock = threading.Lock()
        self._total = total
        self._metrics = metrics
        self._devices = set(devices)
        self._examples = examples
        self._bytes_up = bytes_up
        self._closed = False

    def add(self, contribution: Contribution, admit: Callable[[], bool], added: Callable[[], None]) -> bool:
        """Add a report unless the device is in already, the accumulator is closed, or `admit` says no.

        `admit` is asked before and `added` is called after the sum has changed, both under the lock, so that what the
        round believes and what the sum holds never differ for anyone who holds it.

        Returns:
            Whether it was added.

        Raises:
            StorageError: it cannot be held; nothing has changed.
        """
        with self._lock:
            if self._closed or contribution.device in self._devices or not admit():
                return False
            if self._held is not None and contribution.vector is not None:
                self._held.add(contribution.device, contribution.vector)
            elif self._total is not None and contribution.vector is not None:
                self._total.add(contribution.vector, contribution.weight)
            self._metrics.add(contribution.metrics)
            self._devices.add(contribution.device)
            self._examples += contribution.examples
            self._bytes_up += contribution.payload_bytes
            added()
            return True

    def freeze(self) -> Frozen:
        """For a snapshot: the cumulative sum as bytes."""
        with self._lock:
            return self._frozen(b"" if self._total is None else self._total.to_bytes(), None)

    def close(self, others: FixedPointSum | None = None) -> Frozen:
        """For a commit: the mean; nothing can be added any more unless the commit fails and `reopen` is called.

        Args:
            others: what other replicas have added up; it is in the mean alone, and is changed.
        """
        with self._lock:
            self._closed = True
            if self._held is not None:
                return self._frozen(b"", self._held.combined())
            whole = self._total
            if others is not None and self._total is not None:
                others.merge(self._total)
                whole = others
            return self._frozen(b"", None if whole is None else whole.mean())

    @property
    def holds(self) -> bool:
        """Whether single updates are held until the commit."""
        return self._held is not None

    def release(self) -> None:
        """The round is over: nothing can be added any more, and what was held is forgotten."""
        with self._lock:
            self._closed = True
            self._total = None
            if self._held is not None:
                self._held.close()

    def reopen(self) -> None:
        """The commit failed: go on as before."""
        with self._lock:
            self._closed = False

    def _frozen(self, result: bytes | bytearray, mean: NDArray[np.float32] | None) -> Frozen:
        return Frozen(
            devices=frozenset(self._devices),
            metrics=self._metrics.to_json(),
            weight=0 if self._total is None else self._total.weight,
            examples=self._examples,
            bytes_up=self._bytes_up,
            result=result,
            mean=mean,
        )
