"""The chain: appending to it, computing it again, and putting old rows together without breaking it."""

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fieldfare.sdk.ledger._entries import FoldedEntries, LedgerEntry, LedgerKind, Total, row_digest, seal_of
from fieldfare.sdk.ledger._schema import COLUMNS, FOLD_COLUMNS, FOLDABLE_KINDS

_FIRST = bytes(32)
_PAGE = 1000


def append(connection: sqlite3.Connection, fields: tuple[Any, ...]) -> None:
    """Within a transaction: add a row of these fields, time to privacy, with the next number and its digest."""
    last = connection.execute("SELECT number, digest FROM entries ORDER BY number DESC LIMIT 1").fetchone()
    number, before = (last[0] + 1, last[1]) if last else (1, _FIRST)
    row = (number, *fields)
    values = (*row, row_digest(before, row))
    connection.execute(f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608


def pages(connection: sqlite3.Connection, after: int = 0) -> Iterator[tuple[Any, ...]]:
    """Rows after a number in their order, read a thousand at a time."""
    query = f"SELECT {COLUMNS} FROM entries WHERE number > ? ORDER BY number LIMIT {_PAGE}"  # noqa: S608
    while rows := connection.execute(query, (after,)).fetchall():
        yield from rows
        after = rows[-1][0]


def fold_rows(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All summaries, oldest first."""
    return connection.execute(f"SELECT {FOLD_COLUMNS} FROM folds ORDER BY last").fetchall()  # noqa: S608


@dataclass(frozen=True, slots=True)
class _Link:
    last: int
    first: int
    row: tuple[Any, ...]
    is_fold: bool


def first_broken(connection: sqlite3.Connection) -> int | None:
    """Compute the chain again. Returns the number of the first row that was changed or is missing, or None.

    Where it is a summary, that is the number of its first row. The seal covers all of them at once: where only a
    count in one of them was changed, it is the number of the first row of the oldest.
    """
    folds = fold_rows(connection)
    links = heapq.merge(
        (_Link(row[1], row[0], row, True) for row in folds),
        (_Link(row[0], row[0], row, False) for row in pages(connection)),
        key=lambda link: link.last,
    )
    before, number, sealed = _FIRST, 0, None
    for link in links:
        is_next = link.first == number + 1 and link.last >= link.first
        if link.is_fold:
            if not is_next or link.row[5] != before:
                return number + 1
        elif not is_next or link.row[9] != row_digest(before, link.row):
            return number + 1
        elif link.row[4] == LedgerKind.SEAL.value:
            sealed = link.row[7]
        before, number = link.row[-1], link.last
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    # SQLite counts the rows that there ever were: rows cut off at the end show here.
    if found is not None and found[0] != number:
        return number + 1
    if folds and sealed != seal_of(folds):
        return int(folds[0][0])
    return None


def fold(connection: sqlite3.Connection, keep: int, time: datetime) -> None:
    """Within a transaction: put all but the newest `keep` foldable rows into summaries, and seal those.

    Neighbours of one month become one summary, which keeps the number, the bytes and the times of what it stands for,
    and the digest of its last row, so that the chain goes on behind it. Nothing is done where the chain is broken:
    what was changed stays there to be seen.

    Args:
        connection: in a transaction.
        keep: how many foldable rows stay as they are.
        time: of the seal, UTC.
    """
    query = f"""
        SELECT number FROM entries WHERE kind IN ({FOLDABLE_KINDS}) ORDER BY number DESC LIMIT 1 OFFSET {keep}
    """  # noqa: S608
    newest = connection.execute(query).fetchone()
    if newest is None or first_broken(connection) is not None:
        return
    for run in _runs(connection, newest[0]):
        connection.execute(f"INSERT INTO folds ({FOLD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", run.to_row())  # noqa: S608
        connection.execute("DELETE FROM entries WHERE number BETWEEN ? AND ?", (run.first, run.last))
        connection.execute("DELETE FROM folds WHERE first >= ? AND last < ?", (run.first, run.last))
    fields = (time.isoformat(), "", 0, LedgerKind.SEAL.value, 0, None, seal_of(fold_rows(connection)), "")
    append(connection, fields)


def foldable(connection: sqlite3.Connection) -> int:
    """How many rows could be put together."""
    query = f"SELECT count(*) FROM entries WHERE kind IN ({FOLDABLE_KINDS})"  # noqa: S608
    return int(connection.execute(query).fetchone()[0])


def _runs(connection: sqlite3.Connection, newest: int) -> list[FoldedEntries]:
    """Summaries that are new, or longer than they were."""
    query = f"SELECT {COLUMNS} FROM entries WHERE kind IN ({FOLDABLE_KINDS}) AND number <= ? ORDER BY number"  # noqa: S608
    rows = connection.execute(query, (newest,)).fetchall()
    before = _digests_before(connection, newest)
    old = {row[1]: FoldedEntries.of(row) for row in fold_rows(connection)}
    fresh = (_alone(LedgerEntry.of(row), before[row[0]]) for row in rows)
    runs: list[FoldedEntries] = []
    for one in heapq.merge(old.values(), fresh, key=lambda one: one.last):
        if runs and runs[-1].last + 1 == one.first and _month(runs[-1].until) == _month(one.since):
            runs[-1] = _joined(runs[-1], one)
        else:
            runs.append(one)
    return [run for run in runs if old.get(run.last) != run]


def _digests_before(connection: sqlite3.Connection, newest: int) -> dict[int, bytes]:
    """Number of each foldable row up to `newest` to the digest of the row before it."""
    query = f"""
        SELECT one.number, before.digest FROM entries AS one JOIN {{}} = one.number - 1
        WHERE one.kind IN ({FOLDABLE_KINDS}) AND one.number <= ?
    """  # noqa: S608
    digests = {1: _FIRST}
    for before in ("entries AS before ON before.number", "folds AS before ON before.last"):
        digests |= dict(connection.execute(query.format(before), (newest,)))
    return digests


def _alone(entry: LedgerEntry, before: bytes) -> FoldedEntries:
    # A seal is no message: it leaves nothing to count.
    counted: dict[tuple[LedgerKind, str], Total] = (
        {} if entry.kind is LedgerKind.SEAL else {(entry.kind, entry.task): Total(1, entry.size_bytes)}
    )
    return FoldedEntries(entry.number, entry.number, entry.time, entry.time, counted, before, entry.digest)


def _joined(first: FoldedEntries, second: FoldedEntries) -> FoldedEntries:
    totals = dict(first.totals)
    for what, total in second.totals.items():
        totals[what] = totals.get(what, Total(0, 0)) + total
    # The times are those of messages: of seals only where there is nothing else.
    timed = [one for one in (first, second) if one.totals] or [first, second]
    since, until = min(one.since for one in timed), max(one.until for one in timed)
    return replace(first, last=second.last, since=since, until=until, totals=totals, digest=second.digest)


def _month(time: datetime) -> tuple[int, int]:
    return time.year, time.month
