"""Rounds that several replicas add up together. Each method is one transaction under the lock of the round's row."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fieldfare.aggregator.storage._parts import PartRecord, RoundView, ShareRecord, with_parts
from fieldfare.aggregator.storage._records import CheckpointRecord, RoundRecord
from fieldfare.aggregator.storage.sql import _rows as rows
from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql._statements import OPEN_ROUND, insert_new, uncount
from fieldfare.core.errors import NotFoundError, StateError, StorageError
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import TaskState

_ID_BYTES = 16


class SqlParts:
    """See `Parts`.

    Args:
        read: opens a connection for reading.
        write: opens a transaction.
    """

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[Connection]],
        write: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._read = read
        self._write = write

    def view(self, task_id: str, number: int) -> RoundView:
        """See `Parts.view`."""
        r = t.rounds.c
        newest = select(func.max(r.number)).where(r.task_id == task_id).scalar_subquery()
        state = select(r.state).where(r.task_id == task_id, r.number == number).scalar_subquery()
        with self._read() as connection:
            found = connection.execute(
                select(t.tasks.c.state, newest, state).where(t.tasks.c.task_id == task_id)
            ).first()
            if found is None:
                raise NotFoundError(f"there is no task {task_id}")
            parts, shares = _parts(connection, task_id, number), _shares(connection, task_id, number)
        round_state = None if found[2] is None else RoundState(found[2])
        return RoundView(TaskState(found[0]), found[1] or 0, round_state, tuple(parts), tuple(shares))

    def publish(self, task_id: str, number: int, share: ShareRecord) -> None:
        """See `Parts.publish`."""
        with self._write() as connection:
            # A share that is written once the round is over would never be removed.
            _lock_open(connection, task_id, number)
            _put_share(connection, task_id, number, share)

    def claim(
        self, task_id: str, number: int, share: ShareRecord, *, block: int, asked: int, patience: timedelta
    ) -> int:
        """See `Parts.claim`."""
        with self._write() as connection:
            _lock_open(connection, task_id, number)
            alive = share.seen_at - patience
            taken = sum(one.snapshot.count for one in _parts(connection, task_id, number))
            for other in _shares(connection, task_id, number):
                if other.replica != share.replica and other.seen_at > alive:
                    taken += other.held
            free = max(0, asked - taken - share.held)
            given = free if free < 2 * block else block
            more = ShareRecord(share.replica, share.places + given, share.working, share.pending, share.seen_at)
            _put_share(connection, task_id, number, more)
            return given

    def save(self, record: RoundRecord, part: PartRecord, devices: Iterable[bytes], now: datetime) -> None:
        """See `Parts.save`."""
        snapshot = part.snapshot
        with self._write() as connection:
            _lock_open(connection, record.task_id, record.number)
            c = t.snapshots.c
            mine = (c.task_id == record.task_id) & (c.number == record.number) & (c.replica == part.replica)
            connection.execute(delete(t.snapshots).where(mine))
            values = rows.from_snapshot(snapshot) | {"replica": part.replica, "counts": part.counts}
            connection.execute(insert(t.snapshots).values(**values))
            _count_in(connection, record, part.replica, devices, now)
            _check_mine(connection, record, part.replica, snapshot.count)
            others = [one.counts for one in _parts(connection, record.task_id, record.number) if one != part]
            _update_row(connection, with_parts(record, others))

    def commit(
        self,
        record: RoundRecord,
        replica: str,
        devices: Iterable[bytes],
        *,
        merged: Sequence[PartRecord],
        now: datetime,
        checkpoint: CheckpointRecord | None = None,
    ) -> None:
        """See `Parts.commit`."""
        with self._write() as connection:
            _lock_open(connection, record.task_id, record.number)
            found = [one for one in _parts(connection, record.task_id, record.number) if one.replica != replica]
            if found != list(merged):
                raise StorageError(f"another replica has added to round {record.number}: it is merged again")
            _count_in(connection, record, replica, devices, now)
            total = record.reported - sum(one.snapshot.count for one in merged)
            _check_mine(connection, record, replica, total)
            _update_row(connection, record)
            _forget_parts(connection, record.task_id, record.number)
            if checkpoint is not None:
                connection.execute(insert(t.checkpoints).values(**rows.from_checkpoint(checkpoint)))

    def abandon(self, record: RoundRecord) -> None:
        """See `Parts.abandon`."""
        with self._write() as connection:
            _lock_open(connection, record.task_id, record.number)
            if _parts(connection, record.task_id, record.number):
                raise StorageError(f"round {record.number} has acknowledged reports by now: it is not abandoned")
            _update_row(connection, record)
            _forget_parts(connection, record.task_id, record.number)
            uncount(connection, record.task_id, record.number)


def _lock_open(connection: Connection, task_id: str, number: int) -> None:
    """Nobody else may change the round until this transaction ends. SQLite has one writer anyway."""
    c = t.rounds.c
    query = select(c.number).where(c.task_id == task_id, c.number == number, c.state.in_(OPEN_ROUND))
    if connection.execute(query.with_for_update()).first() is None:
        raise StateError(f"round {number} of task {task_id} is not open")


def _parts(connection: Connection, task_id: str, number: int) -> list[PartRecord]:
    c = t.snapshots.c
    query = select(t.snapshots).where(c.task_id == task_id, c.number == number).order_by(c.replica)
    found = connection.execute(query).all()
    return [PartRecord(row.replica, rows.to_snapshot(row), row.counts) for row in found]


def _shares(connection: Connection, task_id: str, number: int) -> list[ShareRecord]:
    c = t.shares.c
    query = select(t.shares).where(c.task_id == task_id, c.number == number).order_by(c.replica)
    return [_to_share(row) for row in connection.execute(query).all()]


def _to_share(row: Row[Any]) -> ShareRecord:
    ids = frozenset(row.pending[at : at + _ID_BYTES] for at in range(0, len(row.pending), _ID_BYTES))
    return ShareRecord(row.replica, row.places, row.working, ids, rows.moment(row.seen_at))


def _put_share(connection: Connection, task_id: str, number: int, share: ShareRecord) -> None:
    values = {
        "places": share.places,
        "working": share.working,
        "pending": b"".join(sorted(share.pending)),
        "seen_at": rows.micros(share.seen_at),
    }
    key = {"task_id": task_id, "number": number, "replica": share.replica}
    fresh = insert_new(connection, t.shares).values(**key, **values)
    connection.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=values))


def _count_in(
    connection: Connection, record: RoundRecord, replica: str, devices: Iterable[bytes], now: datetime
) -> None:
    same = {
        "task_id": record.task_id,
        "number": record.number,
        "replica": replica,
        "counted_in": record.number,
        "counted_at": rows.micros(now),
    }
    values = [same | {"device_id": one} for one in devices]
    if values:
        connection.execute(insert_new(connection, t.counted).on_conflict_do_nothing(), values)


def _check_mine(connection: Connection, record: RoundRecord, replica: str, expected: int) -> None:
    """A device that another replica has counted already is in this one's sum too: then that sum must not be used."""
    c = t.counted.c
    mine = (c.task_id == record.task_id) & (c.number == record.number) & (c.replica == replica)
    found = connection.scalar(select(func.count()).select_from(t.counted).where(mine))
    if found != expected:
        raise StateError(
            f"of {expected} reports in round {record.number}, another replica has counted {expected - (found or 0)}"
        )


def _update_row(connection: Connection, record: RoundRecord) -> None:
    c = t.rounds.c
    which = (c.task_id == record.task_id) & (c.number == record.number)
    connection.execute(update(t.rounds).where(which).values(**rows.from_round(record)))


def _forget_parts(connection: Connection, task_id: str, number: int) -> None:
    for table in (t.snapshots, t.shares):
        connection.execute(delete(table).where(table.c.task_id == task_id, table.c.number == number))
