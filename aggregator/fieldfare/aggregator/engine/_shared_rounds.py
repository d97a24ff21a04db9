"""Rounds that several replicas hold together over one data base and one object store.

The data base is the truth. Each replica adds up reports of its own, under a name that is used once: for one process
and one time of joining a round. Its snapshots stand in a row of that name, written in one transaction with the ids of
the devices that are new in it, under the lock of the round's row. An id that another name has counted already, of a
device that sent its report twice, undoes the transaction; the replica then forgets what it had not written and joins
anew, and those devices, who were told nothing, send again. So nothing acknowledged is lost, and nothing counts twice.

Whoever finds the goal or the time reached merges all snapshots with its own sum, writes the checkpoint, and commits
under the same lock, where the rows must still be those it has merged. All others find the round closed by someone else
and read the task again.

Places in the cohort are claimed in blocks, so that all replicas together ask no more devices than one would. What each
holds in memory stands in a row too, a few times a second: the others count on it for the round's time limits, and
answer PENDING for its devices. A replica that is silent for `patience` is dead to them: its places are free again, its
snapshots count.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fieldfare.aggregator.engine._accumulator import Accumulator, Frozen
from fieldfare.aggregator.engine._open_round import Attempt, OpenRound, cohort_of, empty_sum, read_sum, with_result
from fieldfare.aggregator.engine._sole_rounds import OvertakenError
from fieldfare.aggregator.engine._task_run import TaskRun
from fieldfare.aggregator.storage import (
    BlobStore,
    CheckpointRecord,
    DamagedError,
    Database,
    PartRecord,
    RoundRecord,
    RoundView,
    ShareRecord,
    SnapshotRecord,
    counts_of,
    with_parts,
)
from fieldfare.core.aggregation import FixedPointSum, MetricTotals, ReportRules
from fieldfare.core.errors import ConfigError, StateError, StorageError
from fieldfare.core.rounds import Elsewhere, RoundState, SharedRound, block_size
from fieldfare.core.sessions import Artifact
from fieldfare.core.tasks import Algorithm, Combiner, TaskSpec

_OPEN = {RoundState.SELECTING, RoundState.COLLECTING}
_SILENT = 4


class SharedRounds:
    """See `RoundStore`.

    Args:
        database: rows, shared.
        blobs: snapshots and checkpoints, shared.
        replica: this process's name; nobody has had it before.
        patience: how long another replica may be silent.
        clock: the present, timezone-aware; replicas' clocks may differ by far less than `patience`.
    """

    alone = False

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        *,
        replica: str,
        patience: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._replica = replica
        self._patience = patience
        self._clock = clock
        self._joined = 0
        self._parts: dict[str, tuple[int, str]] = {}

    def check(self, spec: TaskSpec) -> None:
        """See `RoundStore.check`."""
        if spec.aggregation.algorithm is Algorithm.FEDBUFF:
            raise ConfigError("FEDBUFF runs on one replica only: choose a synchronous algorithm", field="algorithm")
        if spec.aggregation.combiner is not Combiner.MEAN:
            message = f"{spec.aggregation.combiner.name} needs all updates in one place: it runs on one replica only"
            raise ConfigError(message, field="combiner")

    def sync(self, run: TaskRun) -> None:
        """See `RoundStore.sync`."""
        current, now = run.open, self._clock()
        view = self._database.parts.view(run.task_id, 0 if current is None else current.number)
        if view.task_state is not run.state:
            if view.task_state.ended:
                raise OvertakenError("the task was ended through another replica")
            run.change(view.task_state, "", now)
        if current is None:
            if view.newest >= run.next_number:
                raise OvertakenError("another replica has begun a round")
            return
        if view.round_state not in _OPEN:
            raise OvertakenError("another replica has closed the round")
        try:
            self._exchange(run, current, view, now)
        except StateError as error:
            raise OvertakenError(f"another replica has closed the round: {error}") from error

    def _exchange(self, run: TaskRun, current: OpenRound, view: RoundView, now: datetime) -> None:
        """Take in what the others hold, tell what this one holds, and claim places if a device was turned away."""
        told, elsewhere = self._told(current, view, now)
        held, wants = run.exchange(current, elsewhere, now, self._patience)
        share = ShareRecord(current.part, held.stock, held.working, held.pending, now)
        if wants:
            spec = cohort_of(run.spec, current.record.kind)
            block = block_size(spec, run.spec.aggregation.min_snapshot_updates)
            given = self._database.parts.claim(
                run.task_id, current.number, share, block=block, asked=spec.asked, patience=self._patience
            )
            run.grant(current, given, now)
        elif told is None or replace(told, seen_at=now) != share or told.seen_at < now - self._patience / _SILENT:
            self._database.parts.publish(run.task_id, current.number, share)

    def _told(self, current: OpenRound, view: RoundView, now: datetime) -> tuple[ShareRecord | None, Elsewhere]:
        """What this replica has said last, and what the living others have."""
        mine = next((one for one in view.shares if one.replica == current.part), None)
        alive = [one for one in view.shares if one.replica != current.part and one.seen_at > now - self._patience]
        reported = sum(one.snapshot.count for one in view.parts if one.replica != current.part)
        before = Elsewhere() if current.shared is None else current.shared.elsewhere
        counted = before.counted
        if reported != before.reported:
            counted = self._database.counted(current.record.task_id, current.number)
        return mine, Elsewhere(
            reported=reported,
            counted=counted,
            working=sum(one.working for one in alive),
            pending=frozenset().union(*(one.pending for one in alive)),
            most_pending=max((len(one.pending) for one in alive), default=0),
        )

    def row(self, run: TaskRun, current: OpenRound, stored: RoundRecord) -> RoundRecord:
        """See `RoundStore.row`: what all replicas have, and what storage says once one of them has closed the round."""
        view = self._database.parts.view(run.task_id, current.number)
        if view.round_state not in _OPEN:
            # Memory hears of it at the next look only; until then it knows of its own part, as if that went on.
            return stored
        return with_parts(run.row(current), [one.counts for one in view.parts if one.replica != current.part])

    def begun(self, run: TaskRun, record: RoundRecord, rules: ReportRules) -> OpenRound:
        """See `RoundStore.begun`."""
        if run.spec.eligibility.min_separation:
            # Whom the others have counted in the round before is not in this one's memory.
            before = self._database.rounds(run.task_id, after=record.number - 2)[0]
            since = before.started_at - self._patience
            run.remember(self._database.participations(run.task_id, since=since), self._clock())
        return self._join(record, run.checkpoint.artifact, rules, record.started_at)

    def taken_up(self, record: RoundRecord, checkpoint: Artifact, rules: ReportRules, now: datetime) -> OpenRound:
        """See `RoundStore.taken_up`: with nothing in memory; what other names have written stays theirs."""
        number, part = self._parts.get(record.task_id, (0, ""))
        if number == record.number:
            # This process forgets what it held under its last name, so nobody should count on it any more.
            nothing = ShareRecord(part, 0, 0, frozenset(), now)
            # Safe: a round that was closed since its row was read has no shares, and the next look finds that.
            with contextlib.suppress(StateError):
                self._database.parts.publish(record.task_id, number, nothing)
        return self._join(record, checkpoint, rules, now)

    def _join(self, record: RoundRecord, checkpoint: Artifact, rules: ReportRules, now: datetime) -> OpenRound:
        self._joined += 1
        part = f"{self._replica}.{self._joined}"
        self._parts[record.task_id] = (record.number, part)
        spec = cohort_of(rules.spec, record.kind)
        ends = record.started_at + spec.selection_timeout
        # A round that goes on after restarts, or after a pause, is given its time anew, as on one replica: who joins
        # late does not know how long the others still select, and must not abandon what they are about to fill.
        machine = SharedRound(spec, now, ends if now < ends else now + spec.selection_timeout)
        # The first claim is made without being asked: whoever joins has devices that wait, or soon will have.
        machine.has_places(now)
        own = RoundRecord(record.task_id, record.number, record.kind, record.checkpoint_version, record.started_at)
        accumulator = Accumulator(empty_sum(own, rules), MetricTotals())
        return OpenRound(own, checkpoint, rules, machine, accumulator, shared=machine, part=part)

    def snapshot(self, current: OpenRound) -> SnapshotRecord | None:
        """See `RoundStore.snapshot`."""
        parts = self._database.parts.view(current.record.task_id, current.number).parts
        return next((one.snapshot for one in parts if one.replica == current.part), None)

    def save(self, current: OpenRound, attempt: Attempt) -> None:
        """See `RoundStore.save`."""
        part = PartRecord(current.part, attempt.snapshot, counts_of(attempt.record))
        self._database.parts.save(attempt.record, part, attempt.devices - current.on_disk, attempt.at)

    def close(self, run: TaskRun, current: OpenRound) -> tuple[Frozen, RoundRecord]:
        """See `RoundStore.close`."""
        parts = self._database.parts.view(run.task_id, current.number).parts
        current.merged = tuple(one for one in parts if one.replica != current.part)
        others = self._sum_of(run, current)
        frozen = current.accumulator.close(others)
        return frozen, with_parts(with_result(run.row(current), frozen), [one.counts for one in current.merged])

    def _sum_of(self, run: TaskRun, current: OpenRound) -> FixedPointSum | None:
        """What the other replicas have added up."""
        total = empty_sum(current.record, current.rules)
        if total is None:
            return None
        for part in current.merged:
            try:
                total.merge(read_sum(self._blobs, part.snapshot, current.rules))
            except DamagedError as error:
                parts = self._database.parts.view(run.task_id, current.number).parts
                if part in parts:
                    raise
                raise StorageError(f"another replica has replaced its snapshot: {error}") from error
        return total

    def commit(
        self, current: OpenRound, record: RoundRecord, frozen: Frozen, checkpoint: CheckpointRecord | None
    ) -> None:
        """See `RoundStore.commit`."""
        new = frozen.devices - current.on_disk
        now = record.ended_at or record.started_at
        self._database.parts.commit(record, current.part, new, merged=current.merged, now=now, checkpoint=checkpoint)

    def abandon(self, record: RoundRecord) -> None:
        """See `RoundStore.abandon`."""
        self._database.parts.abandon(record)
