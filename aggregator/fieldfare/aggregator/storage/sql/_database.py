"""A `Database` over SQLAlchemy Core, for SQLite and PostgreSQL alike."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, distinct, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from fieldfare.aggregator.storage._errors import DamagedError
from fieldfare.aggregator.storage._protocols import NONE_EARLIER, artifact_key
from fieldfare.aggregator.storage._records import CheckpointRecord, RoundRecord, SnapshotRecord, TaskRecord
from fieldfare.aggregator.storage.sql import _rows as rows
from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql._errors import cause
from fieldfare.aggregator.storage.sql._parts import SqlParts
from fieldfare.aggregator.storage.sql._rows import micros, moment
from fieldfare.aggregator.storage.sql._security import SqlSecurityStore
from fieldfare.aggregator.storage.sql._statements import OPEN_ROUND, insert_new, uncount
from fieldfare.core.errors import StateError, StorageError
from fieldfare.core.rounds import TICKET_KEY_BYTES, RoundState
from fieldfare.core.tasks import NextRound, TaskState

_ENDED_TASK = tuple(state.value for state in TaskState if state.ended)
_REPLICA = ""
_IDS_AT_ONCE = 500


class SqlDatabase:
    """See `Database`.

    Args:
        engine: of a data base that has the present schema; see `open_sqlite`.

    Attributes:
        security: devices, keys, credentials and the audit log, in the same data base.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # SQLite has one writer at a time; waiting here is fairer than its busy handler.
        self._writing = threading.Lock() if engine.dialect.name == "sqlite" else contextlib.nullcontext()
        self.parts = SqlParts(self._read, self._write)
        self.security = SqlSecurityStore(self._read, self._write)

    def ticket_key(self) -> bytes:
        """See `Database.ticket_key`."""
        with self._read() as connection:
            key: bytes | None = connection.scalar(select(t.facts.c.value).where(t.facts.c.name == "ticket_key"))
        if key is None or len(key) != TICKET_KEY_BYTES:
            raise DamagedError("the key that seals tickets is gone from the data base")
        return key

    def add_task(self, task: TaskRecord, checkpoint: CheckpointRecord) -> None:
        """See `Database.add_task`."""
        with self._write() as connection:
            connection.execute(insert(t.tasks).values(**rows.from_task(task)))
            connection.execute(insert(t.checkpoints).values(**rows.from_checkpoint(checkpoint)))

    def task(self, task_id: str) -> TaskRecord | None:
        """See `Database.task`."""
        row = self._first(select(t.tasks).where(t.tasks.c.task_id == task_id))
        return None if row is None else rows.to_task(row)

    def tasks(self, *, population: str = "", name: str = "", active: bool = False) -> list[TaskRecord]:
        """See `Database.tasks`."""
        query = select(t.tasks).order_by(t.tasks.c.created_at, t.tasks.c.task_id)
        if population:
            query = query.where(t.tasks.c.population == population)
        if name:
            query = query.where(t.tasks.c.name == name)
        if active:
            query = query.where(t.tasks.c.state.not_in(_ENDED_TASK))
        return [rows.to_task(row) for row in self._all(query)]

    def set_task_state(self, task_id: str, state: TaskState, reason: str, ended_at: datetime | None) -> None:
        """See `Database.set_task_state`."""
        ended = micros(ended_at)
        with self._write() as connection:
            values = {"state": state.value, "reason": reason, "ended_at": ended}
            going_on = (t.tasks.c.task_id == task_id) & t.tasks.c.state.not_in(_ENDED_TASK)
            if connection.execute(update(t.tasks).where(going_on).values(**values)).rowcount != 1:
                raise StateError(f"task {task_id} has ended")
            if state.ended:
                still_open = (t.rounds.c.task_id == task_id) & t.rounds.c.state.in_(OPEN_ROUND)
                for number in connection.scalars(select(t.rounds.c.number).where(still_open)).all():
                    uncount(connection, task_id, number)
                values = {"state": RoundState.ABANDONED.value, "reason": f"the task ended: {reason}", "ended_at": ended}
                connection.execute(update(t.rounds).where(still_open).values(**values))
                for table in (t.snapshots, t.shares):
                    connection.execute(delete(table).where(table.c.task_id == task_id))

    def newest_checkpoint(self, task_id: str) -> CheckpointRecord:
        """See `Database.newest_checkpoint`."""
        query = select(t.checkpoints).where(t.checkpoints.c.task_id == task_id)
        row = self._first(query.order_by(t.checkpoints.c.version.desc()).limit(1))
        if row is None:
            raise DamagedError(f"task {task_id} has no checkpoint")
        return rows.to_checkpoint(row)

    def refers_to(self, sha256: bytes, task_id: str = "", *, states: bool = True) -> int | None:
        """See `Database.refers_to`."""
        with self._read() as connection:
            return _size_of(connection, sha256, task_id, states=states)

    def forget_checkpoints(self, task_id: str, *, keep: int) -> Sequence[bytes]:
        """See `Database.forget_checkpoints`."""
        c = t.checkpoints.c
        with self._write() as connection:
            mine = select(c.version, c.sha256, c.state_sha256).where(c.task_id == task_id, c.version > 0)
            old = connection.execute(mine.order_by(c.version.desc()).offset(keep)).all()
            for row in old:
                connection.execute(delete(t.checkpoints).where(c.task_id == task_id, c.version == row.version))
            digests = {digest for row in old for digest in (row.sha256, row.state_sha256) if digest is not None}
            return [digest for digest in digests if _size_of(connection, digest, "", states=True) is None]

    def rounds(self, task_id: str, *, after: int = 0) -> list[RoundRecord]:
        """See `Database.rounds`."""
        query = select(t.rounds).where(t.rounds.c.task_id == task_id, t.rounds.c.number > after)
        return [rows.to_round(row) for row in self._all(query.order_by(t.rounds.c.number))]

    def newest_round(self, task_id: str) -> RoundRecord | None:
        """See `Database.newest_round`."""
        query = select(t.rounds).where(t.rounds.c.task_id == task_id)
        row = self._first(query.order_by(t.rounds.c.number.desc()).limit(1))
        return None if row is None else rows.to_round(row)

    def newest_evaluation(self, task_id: str) -> RoundRecord | None:
        """See `Database.newest_evaluation`."""
        c = t.rounds.c
        query = select(t.rounds).where(
            c.task_id == task_id, c.kind == NextRound.EVALUATION.value, c.state == RoundState.COMMITTED.value
        )
        row = self._first(query.order_by(c.number.desc()).limit(1))
        return None if row is None else rows.to_round(row)

    def begin_round(self, record: RoundRecord) -> None:
        """See `Database.begin_round`."""
        with self._write() as connection:
            _check_free(connection, record)
            fresh = insert_new(connection, t.rounds).values(**rows.from_round(record)).on_conflict_do_nothing()
            if connection.execute(fresh).rowcount == 1:
                return
            # A write whose answer was lost is made again: then the round is there, and nothing has happened in it.
            c = t.rounds.c
            same = (c.task_id == record.task_id) & (c.number == record.number) & c.state.in_(OPEN_ROUND)
            same &= (c.kind == record.kind.value) & (c.checkpoint_version == record.checkpoint_version)
            found = connection.execute(select(c.number).where(same, c.reported == 0)).first()
            if found is None:
                raise StateError(f"round {record.number} of task {record.task_id} has begun as another one")

    def evaluations(self, task_id: str) -> int:
        """See `Database.evaluations`."""
        c = t.rounds.c
        kind, state = NextRound.EVALUATION.value, RoundState.COMMITTED.value
        mine = select(func.count()).where(c.task_id == task_id, c.kind == kind, c.state == state)
        return int(self._all(mine)[0][0])

    def add_strays(self, task_id: str, number: int, *, late: int, duplicates: int) -> None:
        """See `Database.add_strays`."""
        c = t.rounds.c
        which = (c.task_id == task_id) & (c.number == number)
        values = {"late": c.late + late, "duplicates": c.duplicates + duplicates}
        with self._write() as connection:
            connection.execute(update(t.rounds).where(which).values(**values))

    def save_snapshot(
        self,
        record: RoundRecord,
        snapshot: SnapshotRecord,
        devices: Iterable[bytes],
        *,
        at: datetime,
        earlier: Mapping[bytes, int] = NONE_EARLIER,
    ) -> None:
        """See `Database.save_snapshot`."""
        with self._write() as connection:
            self._update_open(connection, record)
            _drop_snapshot(connection, record)
            connection.execute(insert(t.snapshots).values(replica=_REPLICA, **rows.from_snapshot(snapshot)))
            _count_in(connection, record, _Counts(devices, at, earlier), snapshot.count)

    def snapshot(self, task_id: str, number: int) -> SnapshotRecord | None:
        """See `Database.snapshot`."""
        c = t.snapshots.c
        row = self._first(select(t.snapshots).where(c.task_id == task_id, c.number == number))
        return None if row is None else rows.to_snapshot(row)

    def counted(self, task_id: str, number: int) -> frozenset[bytes]:
        """See `Database.counted`."""
        c = t.counted.c
        return frozenset(
            row[0] for row in self._all(select(c.device_id).where(c.task_id == task_id, c.counted_in == number))
        )

    def participants(self, task_id: str, number: int, devices: Iterable[bytes]) -> tuple[int, int]:
        """See `Database.participants`."""
        c, r = t.counted.c, t.rounds.c
        rounds = select(r.number).where(r.task_id == task_id, r.kind == NextRound.TRAINING.value, r.number < number)
        earlier = select(func.count(distinct(c.device_id))).where(c.task_id == task_id, c.counted_in.in_(rounds))
        asked = list(devices)
        with self._read() as connection:
            before = connection.scalar(earlier) or 0
            again = 0
            for start in range(0, len(asked), _IDS_AT_ONCE):
                ids = asked[start : start + _IDS_AT_ONCE]
                again += connection.scalar(earlier.where(c.device_id.in_(ids))) or 0
        return before, again

    def counted_earlier(self, task_id: str, number: int) -> dict[bytes, int]:
        """See `Database.counted_earlier`."""
        c = t.counted.c
        mine = select(c.device_id, c.number).where(c.task_id == task_id, c.counted_in == number, c.number != number)
        return {row.device_id: row.number for row in self._all(mine)}

    def participations(self, task_id: str, *, since: datetime) -> dict[bytes, datetime]:
        """See `Database.participations`."""
        c = t.counted.c
        last = func.max(c.counted_at).label("last")
        mine = select(c.device_id, last).where(c.task_id == task_id, c.counted_at >= micros(since))
        return {row.device_id: moment(row.last) for row in self._all(mine.group_by(c.device_id))}

    def forget_counted(self, task_id: str, *, before: datetime) -> int:
        """See `Database.forget_counted`."""
        c, r = t.counted.c, t.rounds.c
        still_open = select(r.number).where(r.task_id == task_id, r.state.in_(OPEN_ROUND))
        old = (c.task_id == task_id) & (c.counted_at < micros(before)) & c.counted_in.not_in(still_open)
        with self._write() as connection:
            return int(connection.execute(delete(t.counted).where(old)).rowcount)

    def is_counted(self, task_id: str, number: int, device: bytes) -> bool:
        """See `Database.is_counted`."""
        c = t.counted.c
        query = select(c.number).where(c.task_id == task_id, c.number == number, c.device_id == device)
        return self._first(query) is not None

    def commit_round(
        self,
        record: RoundRecord,
        devices: Iterable[bytes],
        checkpoint: CheckpointRecord | None = None,
        *,
        earlier: Mapping[bytes, int] = NONE_EARLIER,
    ) -> None:
        """See `Database.commit_round`."""
        with self._write() as connection:
            self._update_open(connection, record)
            _drop_snapshot(connection, record)
            counts = _Counts(devices, record.ended_at or record.started_at, earlier)
            _count_in(connection, record, counts, record.reported)
            if checkpoint is not None:
                connection.execute(insert(t.checkpoints).values(**rows.from_checkpoint(checkpoint)))

    def abandon_round(self, record: RoundRecord) -> None:
        """See `Database.abandon_round`."""
        with self._write() as connection:
            self._update_open(connection, record)
            _drop_snapshot(connection, record)
            uncount(connection, record.task_id, record.number)

    def blob_keys(self) -> frozenset[str]:
        """See `Database.blob_keys`."""
        with self._read() as connection:
            digests = set(connection.scalars(select(t.tasks.c.plan_sha256)))
            digests.update(connection.scalars(select(t.checkpoints.c.sha256)))
            digests.update(connection.scalars(select(t.checkpoints.c.state_sha256)))
            snapshots = connection.scalars(select(t.snapshots.c.blob_key).where(t.snapshots.c.blob_key != ""))
            return frozenset({*snapshots, *(artifact_key(one) for one in digests if one is not None)})

    def close(self) -> None:
        """See `Database.close`."""
        self._engine.dispose()

    def _update_open(self, connection: Connection, record: RoundRecord) -> None:
        c = t.rounds.c
        which = (c.task_id == record.task_id) & (c.number == record.number) & c.state.in_(OPEN_ROUND)
        if connection.execute(update(t.rounds).where(which).values(**rows.from_round(record))).rowcount != 1:
            raise StateError(f"round {record.number} of task {record.task_id} is not open")

    def _first(self, query: Any) -> Row[Any] | None:
        with self._read() as connection:
            return connection.execute(query).first()

    def _all(self, query: Any) -> Sequence[Row[Any]]:
        with self._read() as connection:
            return connection.execute(query).all()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageError(f"cannot read the data base: {cause(error)}") from error

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        try:
            with self._writing, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageError(f"cannot write to the data base: {cause(error)}") from error


@dataclass(frozen=True, slots=True)
class _Counts:
    """Devices that are counted in, when, and which of them for an assignment of an earlier round."""

    devices: Iterable[bytes]
    at: datetime
    earlier: Mapping[bytes, int]


def _count_in(connection: Connection, record: RoundRecord, counts: _Counts, total: int) -> None:
    same = {"task_id": record.task_id, "counted_in": record.number, "counted_at": micros(counts.at)}
    values = [{**same, "number": counts.earlier.get(one, record.number), "device_id": one} for one in counts.devices]
    if values:
        # A write whose answer was lost is made again: rows that are there already are no error.
        connection.execute(insert_new(connection, t.counted).on_conflict_do_nothing(), values)
    c = t.counted.c
    mine = select(func.count()).where(c.task_id == record.task_id, c.counted_in == record.number)
    found = connection.scalar(mine)
    if found != total:
        raise StorageError(f"round {record.number} counts {found} devices, but its sum holds {total} updates")


def _check_free(connection: Connection, record: RoundRecord) -> None:
    """A task that goes on has one open round; whoever began the other one, or ended the task, was faster."""
    mine = t.tasks.c.task_id == record.task_id
    # Nobody begins a round of this task, or ends it, until this transaction ends. SQLite has one writer anyway.
    state = connection.scalar(select(t.tasks.c.state).where(mine).with_for_update(key_share=True))
    if state in _ENDED_TASK:
        raise StateError(f"task {record.task_id} has ended: no round begins in it")
    c = t.rounds.c
    others = (c.task_id == record.task_id) & (c.number != record.number) & c.state.in_(OPEN_ROUND)
    if (number := connection.scalar(select(c.number).where(others).limit(1))) is not None:
        raise StateError(f"round {number} of task {record.task_id} is still open: no other begins")


def _size_of(connection: Connection, sha256: bytes, task_id: str, *, states: bool) -> int | None:
    c = t.checkpoints.c
    queries = [
        select(t.tasks.c.plan_bytes, t.tasks.c.task_id).where(t.tasks.c.plan_sha256 == sha256),
        select(c.size_bytes, c.task_id).where(c.sha256 == sha256),
        select(c.state_bytes, c.task_id).where(c.state_sha256 == sha256),
    ]
    for query in queries if states else queries[:2]:
        only = query if not task_id else query.where(query.selected_columns.task_id == task_id)
        if (row := connection.execute(only.limit(1)).first()) is not None:
            return int(row[0])
    return None


def _drop_snapshot(connection: Connection, record: RoundRecord) -> None:
    c = t.snapshots.c
    connection.execute(delete(t.snapshots).where(c.task_id == record.task_id, c.number == record.number))
