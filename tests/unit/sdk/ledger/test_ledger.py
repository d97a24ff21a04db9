"""The ledger: append-only, and tampering shows."""

import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import NotFoundError, StateError, StorageError
from fieldfare.sdk.ledger import Ledger, LedgerKind, Total

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def fill(path: Path, rows: int = 5) -> None:
    with Ledger.open(path) as ledger:
        for index in range(rows):
            update = index % 2 == 1
            ledger.record(
                LedgerKind.UPDATE if update else LedgerKind.CHECK_IN,
                100 + index,
                time=START + timedelta(seconds=index),
                task="t" if update else "",
                round_number=index,
                update_norm=0.1 * index if update else None,
                encoding="float32" if update else "",
            )


def test_rows_come_back_in_order(path: Path) -> None:
    fill(path)
    with Ledger.open(path) as ledger:
        rows = list(ledger)
        assert [row.number for row in rows] == [1, 2, 3, 4, 5]
        assert rows[1].kind is LedgerKind.UPDATE
        assert rows[1].time == START + timedelta(seconds=1)
        assert (rows[1].task, rows[1].round_number, rows[1].update_norm, rows[1].encoding) == ("t", 1, 0.1, "float32")
        assert len(ledger) == 5
        assert ledger.total_bytes() == 510
        assert ledger.totals() == {LedgerKind.CHECK_IN: Total(3, 306), LedgerKind.UPDATE: Total(2, 204)}
        assert ledger.last_bytes(LedgerKind.UPDATE, task="t", round_number=3) == 103
        assert ledger.last_bytes(LedgerKind.UPDATE, task="t", round_number=9) == 0
        assert ledger.verify() is None


def test_an_empty_ledger_verifies(path: Path) -> None:
    with Ledger.open(path) as ledger:
        assert ledger.verify() is None
        assert list(ledger) == []
        assert ledger.total_bytes() == 0


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    fill(path)
    fill(path)
    with Ledger.open(path) as ledger:
        assert len(ledger) == 10
        assert ledger.verify() is None


def test_more_rows_than_a_page(path: Path) -> None:
    fill(path, 1005)
    with Ledger.open(path) as ledger:
        assert sum(1 for _ in ledger) == 1005
        assert ledger.verify() is None


def test_the_file_itself_refuses_changes(path: Path) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    for statement in ("UPDATE entries SET bytes = 1", "DELETE FROM entries WHERE number = 5"):
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE entries SET bytes = 1 WHERE number = 3", 3),
        ("UPDATE entries SET time = '2030-01-01T00:00:00+00:00' WHERE number = 1", 1),
        ("UPDATE entries SET norm = 0 WHERE number = 4", 4),
        ("UPDATE entries SET task = 'other' WHERE number = 2", 2),
        ("DELETE FROM entries WHERE number = 2", 2),
        ("DELETE FROM entries WHERE number = 5", 5),
        ("DELETE FROM entries", 1),
        ("UPDATE entries SET digest = x'00' WHERE number = 4", 4),
    ],
)
def test_tampering_is_found(path: Path, statement: str, broken: int) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    connection.executescript(f"DROP TRIGGER no_update; DROP TRIGGER no_delete; {statement};")
    connection.close()
    with Ledger.open(path) as ledger:
        assert ledger.verify() == broken


def test_a_row_that_cannot_be_read_is_named(path: Path) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER no_update; UPDATE entries SET kind = 'strange' WHERE number = 2;")
    connection.close()
    with Ledger.open(path) as ledger:
        with pytest.raises(StorageError, match="row 2"):
            next(iter(ledger))
        with pytest.raises(StorageError, match="the kind of a row cannot be read"):
            ledger.summary()
        assert ledger.verify() == 2


def test_opening(path: Path) -> None:
    with pytest.raises(NotFoundError):
        Ledger.open(path, create=False)
    ledger = Ledger.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ledger.close()
    with pytest.raises(StateError, match="closed"):
        len(ledger)
