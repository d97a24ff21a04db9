"""A round that is under way: the state machine, the accumulator and the counts that go with them."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from fieldfare.aggregator.engine._accumulator import Accumulator, Frozen, sum_bounds
from fieldfare.aggregator.engine._held import HeldUpdates, Holds
from fieldfare.aggregator.storage import (
    BlobStore,
    DamagedError,
    Database,
    PartRecord,
    RoundRecord,
    SnapshotRecord,
    damage,
)
from fieldfare.core.aggregation import FixedPointSum, MetricTotals, ReportRules
from fieldfare.core.rounds import Buffer, Round, SharedRound
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import Algorithm, CohortSpec, NextRound, TaskSpec


@dataclass(frozen=True, slots=True)
class Attempt:
    """A snapshot that is being written.

    Attributes:
        record: the round's row that goes with it.
        snapshot: its own row.
        devices: those in its sum.
        at: when the new ones are counted.
    """

    record: RoundRecord
    snapshot: SnapshotRecord
    devices: frozenset[bytes]
    at: datetime


@dataclass(slots=True, eq=False)
class OpenRound:
    """Identity is what matters: a report counts only if this very round is still its task's.

    Attributes:
        record: the row as it was last written.
        checkpoint: what devices are given.
        machine: guarded by the task's state lock.
        on_disk: the devices that the newest snapshot holds; `blob_key` is its sum. Both are the keeper's.
        doubtful: a snapshot of which it is not known yet whether its transaction took effect. The keeper's too.
        control: SCAFFOLD: the server's control variate that devices are given; None while it is zero.
        shared: the state machine again, where several replicas hold the round together.
        part: then, the name under which this one adds up.
        merged: then, the parts of others that go into the commit under way.
        bytes_down: guarded by the task's state lock, like `refusals`, `late`, `duplicates`, `damaged` (copies of a
            device's report that did not match their digest) and `earlier`: the devices that report for an assignment
            of an earlier round, and of which.
    """

    record: RoundRecord
    checkpoint: Artifact
    rules: ReportRules
    machine: Round
    accumulator: Accumulator
    on_disk: frozenset[bytes] = frozenset()
    blob_key: str = ""
    doubtful: Attempt | None = None
    control: Artifact | None = None
    shared: SharedRound | None = None
    part: str = ""
    merged: tuple[PartRecord, ...] = ()
    bytes_down: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    late: int = 0
    duplicates: int = 0
    damaged: Counter[bytes] = field(default_factory=Counter)
    earlier: dict[bytes, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The round's number within its task."""
        return self.record.number

    @property
    def threshold(self) -> int:
        """Reports that a snapshot must add to what was on disk before."""
        wanted = self.rules.spec.aggregation.min_snapshot_updates
        return wanted if self.record.kind is NextRound.TRAINING else min(wanted, self.machine.spec.minimum)

    def row(self) -> RoundRecord:
        """The row with the present counts. Safe: the caller holds the task's state lock."""
        machine = self.machine
        return replace(
            self.record,
            state=machine.state,
            assigned=machine.assigned,
            reported=machine.reported,
            withdrawn=machine.withdrawn,
            refused=machine.refused,
            bytes_down=self.bytes_down,
            refusals=json.dumps(dict(sorted(self.refusals.items()))),
            late=self.late,
            duplicates=self.duplicates,
        )


def with_result(record: RoundRecord, frozen: Frozen) -> RoundRecord:
    """The row as it goes with what was added up."""
    return replace(
        record,
        reported=len(frozen.devices),
        examples=frozen.examples,
        bytes_up=frozen.bytes_up,
        metrics=frozen.metrics,
    )


def cohort_of(spec: TaskSpec, kind: NextRound) -> CohortSpec:
    """Counts and time limits of a round of this kind."""
    return spec.training if kind is NextRound.TRAINING else spec.evaluation


def fresh_round(
    record: RoundRecord, checkpoint: Artifact, rules: ReportRules, now: datetime, holds: Holds
) -> OpenRound:
    """A round without any report, whose selection begins now."""
    machine = _machine(record, rules.spec, now)
    held = None
    if record.kind is NextRound.TRAINING and rules.spec.aggregation.holds_updates:
        held = HeldUpdates(rules.spec.aggregation, rules.values, holds)
    total = None if held is not None else empty_sum(record, rules)
    return OpenRound(record, checkpoint, rules, machine, Accumulator(total, MetricTotals(), held=held))


def empty_sum(record: RoundRecord, rules: ReportRules) -> FixedPointSum | None:
    """Where the updates of a round go; None for an evaluation round, which has none."""
    if record.kind is not NextRound.TRAINING:
        return None
    return FixedPointSum(rules.values, sum_bounds(rules.spec))


def read_sum(blobs: BlobStore, snapshot: SnapshotRecord, rules: ReportRules) -> FixedPointSum:
    """The sum of a training round's snapshot.

    Raises:
        DamagedError: it is gone, damaged, or not the one that the row describes.
        StorageError: it cannot be read now.
    """
    content = blobs.get(snapshot.blob_key)
    with damage():
        total = FixedPointSum.from_bytes(content, sum_bounds(rules.spec))
    if (total.count, total.weight, total.size) != (snapshot.count, snapshot.weight, rules.values):
        raise DamagedError(f"the snapshot of round {snapshot.number} is not the one that was written")
    return total


def restored_round(
    record: RoundRecord,
    checkpoint: Artifact,
    rules: ReportRules,
    *,
    database: Database,
    blobs: BlobStore,
    now: datetime,
    holds: Holds,
) -> OpenRound:
    """An open round after a restart: exactly what its snapshot and its counted devices say.

    Raises:
        DamagedError: the snapshot is gone, damaged, or does not hold as many updates as devices are counted.
        StorageError: storage cannot be read now.
    """
    devices = database.counted(record.task_id, record.number)
    snapshot = database.snapshot(record.task_id, record.number)
    if snapshot is None:
        if devices:
            raise DamagedError(f"round {record.number} counts {len(devices)} devices but has no snapshot")
        return fresh_round(record, checkpoint, rules, now, holds)
    total = read_sum(blobs, snapshot, rules) if record.kind is NextRound.TRAINING else None
    if snapshot.count != len(devices):
        raise DamagedError(
            f"the snapshot of round {record.number} holds {snapshot.count} updates, {len(devices)} devices are counted"
        )
    with damage():
        metrics = MetricTotals.from_json(snapshot.metrics)
    accumulator = Accumulator(
        total,
        metrics,
        devices,
        examples=record.examples,
        bytes_up=record.bytes_up,
    )
    machine = _machine(record, rules.spec, now, devices)
    machine.withdrawn, machine.refused = record.withdrawn, record.refused
    current = OpenRound(record, checkpoint, rules, machine, accumulator, devices, snapshot.blob_key)
    current.bytes_down, current.late, current.duplicates = record.bytes_down, record.late, record.duplicates
    current.refusals.update(json.loads(record.refusals))
    current.earlier.update(database.counted_earlier(record.task_id, record.number))
    return current


def _machine(record: RoundRecord, spec: TaskSpec, now: datetime, acknowledged: Iterable[bytes] = ()) -> Round:
    cohort = cohort_of(spec, record.kind)
    if record.kind is NextRound.TRAINING and spec.aggregation.algorithm is Algorithm.FEDBUFF:
        return Buffer(cohort, now, spec.asynchronous.concurrency, acknowledged)
    return Round(cohort, now, acknowledged)
