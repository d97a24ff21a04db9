"""Old rows of idle days become summaries: the file stays small, the figures and the chain stay whole."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.sdk.ledger import FoldedEntries, Ledger, LedgerEntry, LedgerKind, LedgerQuery, Total

START = datetime(2026, 1, 30, tzinfo=UTC)
OLD = Path(__file__).with_name("ledger_of_version_0.sql").read_text()
"""What the command `.dump` says of a ledger of version 0 with three rows."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def fill(
    ledger: Ledger, rows: int, first: int = 0, *, updates_every: int = 0, apart: timedelta = timedelta(hours=1)
) -> None:
    for index in range(first, first + rows):
        time = START + index * apart
        if updates_every and index % updates_every == 0:
            update = {"task": "t", "round_number": index, "update_norm": 0.5, "encoding": "float32", "privacy": "none"}
            ledger.record(LedgerKind.UPDATE, 1000 + index, time=time, **update)
        else:
            ledger.record(LedgerKind.CHECK_IN, 100, time=time)


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for name in ("no_update", "no_delete", "no_fold_update", "no_fold_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(statement)


def test_idle_check_ins_stay_within_a_bound_and_are_all_counted(path: Path) -> None:
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 500, apart=timedelta(hours=4))
        kinds = [row.kind for row in ledger]
        assert len(kinds) <= 26
        folds = [one for one in ledger.history() if isinstance(one, FoldedEntries)]
        # One for each month that is over, and one for the month there is: January to April.
        assert [(one.since.month, one.until.month) for one in folds] == [(1, 1), (2, 2), (3, 3), (4, 4)]
        assert [one.since for one in folds][:2] == [START, START + timedelta(days=2)]
        assert ledger.summary().by_kind == {LedgerKind.CHECK_IN: Total(500, 50_000)}
        assert len(ledger) == 500
        assert ledger.verify() is None
        assert path.stat().st_size < 50_000


def test_what_was_computed_from_examples_is_never_put_together(path: Path) -> None:
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 300, updates_every=10)
        updates = [row for row in ledger if row.kind is LedgerKind.UPDATE]
        assert [row.round_number for row in updates] == list(range(0, 300, 10))
        assert {(row.update_norm, row.encoding, row.privacy) for row in updates} == {(0.5, "float32", "none")}
        assert ledger.totals()[LedgerKind.CHECK_IN] == Total(270, 27_000)
        assert ledger.verify() is None
        # Between two updates of old stands one summary.
        kinds = [type(one).__name__ for one in ledger.history()][:7]
        assert kinds == ["LedgerEntry", *["FoldedEntries", "LedgerEntry"] * 3]


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    for first in range(0, 300, 30):
        with Ledger.open(path, keep_rows=20) as ledger:
            fill(ledger, 30, first)
            assert ledger.verify() is None
            assert len(ledger) == first + 30
    with Ledger.open(path, create=False, keep_rows=5) as ledger:
        fill(ledger, 10, 300)
        assert ledger.verify() is None
        assert len(ledger) == 310


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE folds SET totals = replace(totals, '00]', '01]') WHERE last = (SELECT min(last) FROM folds)", 1),
        ("UPDATE folds SET since = '2020-01-01T00:00:00+00:00' WHERE last = (SELECT max(last) FROM folds)", 1),
        ("UPDATE folds SET digest = x'00' WHERE last = 54", 55),
        ("UPDATE folds SET before = x'00' WHERE last > 54", 55),
        ("UPDATE folds SET first = 2 WHERE last = 54", 1),
        ("DELETE FROM folds WHERE last > 54", 55),
        ("DELETE FROM folds", 1),
        ("DELETE FROM entries WHERE kind = 'seal'", None),
        ("UPDATE entries SET encoding = '00' WHERE kind = 'seal'", None),
        ("UPDATE entries SET time = x'00' WHERE kind = 'seal'", None),
    ],
)
def test_tampering_with_summaries_is_found(path: Path, statement: str, broken: int | None) -> None:
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 100)
        seal = next(row.number for row in ledger if row.kind is LedgerKind.SEAL)
        before = next(one for one in ledger.history() if isinstance(one, FoldedEntries))
        assert (before.first, before.last) == (1, 54)
    tamper(path, statement)
    with Ledger.open(path) as ledger:
        assert ledger.verify() == (seal if broken is None else broken)


def test_a_changed_ledger_is_not_put_together(path: Path) -> None:
    """What was changed would go with the rows, and with it the trace of the change."""
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 24)
    tamper(path, "UPDATE entries SET bytes = 1 WHERE number = 3")
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 30, 24)
        assert sum(1 for _ in ledger) == 54
        assert ledger.verify() == 3


def test_the_file_itself_refuses_to_lose_rows(path: Path) -> None:
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 100)
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "DELETE FROM entries WHERE number = 100",
            "DELETE FROM folds",
            "UPDATE folds SET totals = '[]'",
            "UPDATE entries SET bytes = 1",
        ):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                connection.execute(statement)


def test_a_ledger_of_an_earlier_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(OLD)
    with Ledger.open(path, keep_rows=1) as ledger:
        assert ledger.verify() is None
        assert [(row.kind, row.privacy) for row in ledger] == [
            (LedgerKind.CHECK_IN, ""),
            (LedgerKind.FETCH, ""),
            (LedgerKind.UPDATE, "none"),
        ]
        fill(ledger, 5)
        assert ledger.verify() is None
        assert len(ledger) == 8
        assert isinstance(next(ledger.history()), FoldedEntries)
    tamper(path, "UPDATE entries SET privacy = 'secure' WHERE kind = 'update'")
    with Ledger.open(path) as ledger:
        assert ledger.verify() == 3


def test_filters_count_summaries_too(path: Path) -> None:
    with Ledger.open(path, keep_rows=5) as ledger:
        for day in range(60):
            time = START + timedelta(days=day)
            ledger.record(LedgerKind.CHECK_IN, 100, time=time)
            ledger.record(LedgerKind.FETCH, 10, time=time, task="a" if day < 40 else "b", round_number=day)
        whole = ledger.summary()
        assert whole.by_task == {"": Total(60, 6000), "a": Total(40, 400), "b": Total(20, 200)}
        assert (whole.first, whole.last, whole.is_exact) == (START, START + timedelta(days=59), True)
        assert ledger.summary(LedgerQuery(task="a")).by_kind == {LedgerKind.FETCH: Total(40, 400)}
        assert ledger.summary(LedgerQuery(kinds=[LedgerKind.CHECK_IN])).messages == 60
        february = LedgerQuery(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
        assert ledger.summary(february).messages == 56
        assert ledger.summary(february).is_exact
        part = LedgerQuery(since=datetime(2026, 2, 10, tzinfo=UTC), until=datetime(2026, 3, 1, tzinfo=UTC))
        assert ledger.summary(part).messages == 56
        assert not ledger.summary(part).is_exact
        assert ledger.summary(LedgerQuery(since=START + timedelta(days=99))).messages == 0
        assert [one.since.month for one in ledger.history(february)] == [2]


def test_pages_go_from_the_newest_to_the_oldest_and_miss_nothing(path: Path) -> None:
    with Ledger.open(path, keep_rows=20) as ledger:
        fill(ledger, 200, updates_every=10)
        found: list[LedgerEntry | FoldedEntries] = []
        before = None
        while page := ledger.page(before=before, limit=7):
            found += page
            last = page[-1]
            before = last.number if isinstance(last, LedgerEntry) else last.first
        assert found[::-1] == list(ledger.history())
        updates = LedgerQuery(kinds=[LedgerKind.UPDATE])
        assert [one.round_number for one in ledger.page(updates, limit=2)] == [190, 180]
        with pytest.raises(ConfigError, match="limit"):
            ledger.page(limit=0)
        with pytest.raises(ConfigError, match="time zone"):
            LedgerQuery(since=datetime(2026, 5, 1))  # noqa: DTZ001 - that is the point
        with pytest.raises(ConfigError, match="keep_rows"):
            Ledger.open(path, keep_rows=0)


def test_a_ledger_of_a_later_version_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match=r"ledger\.db cannot be used: it is of version 99, .* update fieldfare"):
        Ledger.open(path)
