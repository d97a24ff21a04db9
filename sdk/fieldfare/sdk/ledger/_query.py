"""Asking the ledger: filters, totals, pages."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.sdk.ledger._entries import NOT_PROTECTED, FoldedEntries, LedgerEntry, LedgerKind, Total
from fieldfare.sdk.ledger._schema import COLUMNS, FOLD_COLUMNS

_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """Which messages are asked for; without arguments all of them.

    Attributes:
        since: those of this time or later; timezone-aware.
        until: those before this time; timezone-aware.
        task: those of this task, by its id.
        kinds: those of these kinds.
    """

    since: datetime | None = None
    until: datetime | None = None
    task: str | None = None
    kinds: Collection[LedgerKind] = ()

    def __post_init__(self) -> None:
        """Check the times.

        Raises:
            ConfigError: a time without a time zone.
        """
        for name in ("since", "until"):
            time: datetime | None = getattr(self, name)
            if time is not None and time.tzinfo is None:
                raise ConfigError("needs a time zone", field=name)

    def where(self) -> tuple[str, list[Any]]:
        """The condition on rows, and its values."""
        # Safe: only names of columns and "?" are put together. Times in UTC and ISO 8601 compare as text.
        parts, values = ["true"], list[Any]()
        if self.since is not None:
            parts, values = [*parts, "time >= ?"], [*values, self.since.astimezone(UTC).isoformat()]
        if self.until is not None:
            parts, values = [*parts, "time < ?"], [*values, self.until.astimezone(UTC).isoformat()]
        if self.task is not None:
            parts, values = [*parts, "task = ?"], [*values, self.task]
        if self.kinds:
            kinds = [kind.value for kind in self.kinds]
            parts, values = [*parts, f"kind IN ({', '.join('?' * len(kinds))})"], [*values, *kinds]
        return " AND ".join(parts), values

    def of_fold(self, fold: FoldedEntries) -> dict[tuple[LedgerKind, str], Total]:
        """What of a summary is asked for; nothing where no time of it is."""
        since, until = self.since or _EVER[0], self.until or _EVER[1]
        if fold.until < since or fold.since >= until:
            return {}
        return {
            (kind, task): total
            for (kind, task), total in fold.totals.items()
            if (not self.kinds or kind in self.kinds) and self.task in {None, task}
        }

    def cuts(self, fold: FoldedEntries) -> bool:
        """Whether a summary is in the time asked for with one part only."""
        since, until = self.since or _EVER[0], self.until or _EVER[1]
        return fold.since < since <= fold.until or fold.since < until <= fold.until


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """What left the device, in figures.

    Attributes:
        messages: how many.
        size_bytes: their bytes.
        by_kind: of each kind that occurs.
        by_task: of each task, by its id; "" is what belongs to none.
        protection: mechanism to the number of messages with values computed from examples that it hid; "none" where
            nothing did.
        first: time of the earliest, UTC; None where there are none.
        last: time of the latest.
        is_exact: False where old rows stand in a summary that is in the time asked for with one part only; it is
            counted as a whole.
    """

    messages: int
    size_bytes: int
    by_kind: dict[LedgerKind, Total]
    by_task: dict[str, Total]
    protection: dict[str, int]
    first: datetime | None
    last: datetime | None
    is_exact: bool


def summarize(connection: sqlite3.Connection, query: LedgerQuery) -> LedgerSummary:
    """Count what is asked for.

    Raises:
        StorageError: a row or summary that cannot be read.
    """
    by_kind: dict[LedgerKind, Total] = {}
    by_task: dict[str, Total] = {}
    protection: dict[str, int] = {}
    times: list[datetime] = []

    def count(kind: LedgerKind, task: str, total: Total) -> None:
        by_kind[kind] = by_kind.get(kind, Total(0, 0)) + total
        by_task[task] = by_task.get(task, Total(0, 0)) + total

    where, values = query.where()
    grouped = f"""
        SELECT kind, task, privacy, count(*), sum(bytes), min(time), max(time) FROM entries
        WHERE {where} AND kind != '{LedgerKind.SEAL.value}' GROUP BY kind, task, privacy
    """  # noqa: S608
    for name, task, privacy, messages, size, first, last in connection.execute(grouped, values):
        kind = _kind(name)
        count(kind, task, Total(messages, size))
        times += [_time(first), _time(last)]
        if kind.is_computed:
            mechanism = privacy or NOT_PROTECTED
            protection[mechanism] = protection.get(mechanism, 0) + messages
    is_exact = True
    for fold in folds(connection):
        asked = query.of_fold(fold)
        for (kind, task), total in asked.items():
            count(kind, task, total)
        if asked:
            times += [fold.since, fold.until]
            is_exact = is_exact and not query.cuts(fold)
    return LedgerSummary(
        messages=sum(one.messages for one in by_kind.values()),
        size_bytes=sum(one.size_bytes for one in by_kind.values()),
        by_kind={kind: by_kind[kind] for kind in LedgerKind if kind in by_kind},
        by_task=by_task,
        protection=protection,
        first=min(times, default=None),
        last=max(times, default=None),
        is_exact=is_exact,
    )


def folds(connection: sqlite3.Connection) -> Iterator[FoldedEntries]:
    """All summaries, oldest first.

    Raises:
        StorageError: a row or summary that cannot be read.
    """
    rows = connection.execute(f"SELECT {FOLD_COLUMNS} FROM folds ORDER BY last").fetchall()  # noqa: S608
    return map(_fold, rows)


def oldest(connection: sqlite3.Connection, query: LedgerQuery, after: int) -> list[LedgerEntry]:
    """The next rows after a number, oldest first, at most a thousand.

    Raises:
        StorageError: a row that cannot be read.
    """
    where, values = query.where()
    statement = f"SELECT {COLUMNS} FROM entries WHERE {where} AND number > ? ORDER BY number LIMIT 1000"  # noqa: S608
    return [_entry(row) for row in connection.execute(statement, [*values, after])]


def newest(
    connection: sqlite3.Connection, query: LedgerQuery, before: int | None, limit: int
) -> list[LedgerEntry | FoldedEntries]:
    """The newest rows and summaries before a number, newest first.

    Raises:
        StorageError: a row or summary that cannot be read.
    """
    bound = before if before is not None else 2**62
    where, values = query.where()
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM entries WHERE {where} AND number < ? ORDER BY number DESC LIMIT ?",  # noqa: S608
        [*values, bound, limit],
    ).fetchall()
    found: list[LedgerEntry | FoldedEntries] = [_entry(row) for row in rows]
    found += [fold for fold in folds(connection) if fold.first < bound and query.of_fold(fold)]
    return sorted(found, key=first_number, reverse=True)[:limit]


def first_number(one: LedgerEntry | FoldedEntries) -> int:
    """Number of a row, or of the first row in a summary: what the next page goes on before."""
    return one.number if isinstance(one, LedgerEntry) else one.first


def in_order(rows: Iterable[LedgerEntry], summaries: Iterable[FoldedEntries]) -> Iterator[LedgerEntry | FoldedEntries]:
    """Both, oldest first."""
    waiting = iter(summaries)
    fold = next(waiting, None)
    for row in rows:
        while fold is not None and fold.first < row.number:
            yield fold
            fold = next(waiting, None)
        yield row
    while fold is not None:
        yield fold
        fold = next(waiting, None)


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    with _readable(f"row {row[0]}"):
        return LedgerEntry.of(row)


def _fold(row: tuple[Any, ...]) -> FoldedEntries:
    with _readable(f"the summary of rows {row[0]} to {row[1]}"):
        return FoldedEntries.of(row)


def _kind(name: str) -> LedgerKind:
    with _readable("the kind of a row"):
        return LedgerKind(name)


def _time(text: str) -> datetime:
    with _readable("the time of a row"):
        return datetime.fromisoformat(text)


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        raise StorageError(f"the ledger is damaged: {what} cannot be read") from error
