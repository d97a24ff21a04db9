"""A device whose disk is full, whose files are damaged or locked: a clear error, nothing lost, nothing sent."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.core.errors import StorageError
from fieldfare.core.sessions import Ended
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import ExampleStore, Ledger, LiteRtTrainer
from fieldfare.sdk.store import export
from tests.support.device_bench import MANIFEST, Bench
from tests.support.small_disk import fill, small_disk

__all__ = ["small_disk"]

ONE = {"x": np.float32([1]), "y": np.float32([2])}
MANY = {"x": np.ones((2000, 1), np.float32), "y": np.ones((2000, 1), np.float32)}


class Filling(LiteRtTrainer):
    """Fills a disk once it has trained."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.filler: Path | None = None

    def train(self, *arguments: Any, **more: Any) -> Any:
        done = super().train(*arguments, **more)
        self.filler = fill(self.folder)
        return done


def again_and_again(call: Callable[[], object]) -> None:
    for _ in range(1000):
        call()


def test_a_full_disk_refuses_examples_and_loses_none(small_disk: Path) -> None:
    with ExampleStore.create(small_disk / "s.db", MANIFEST.example_specs) as store:
        store.add_many(MANY)
        filler = fill(small_disk)
        # What the log has room for may still come in; then nothing does.
        with pytest.raises(StorageError, match=r"s\.db cannot be used: "):
            again_and_again(lambda: store.add_many(MANY))
        whole = store.count()
        assert whole % 2000 == 0
        for change in (lambda: store.add_many(MANY), lambda: store.delete(everything=True)):
            with pytest.raises(StorageError):
                change()
        with pytest.raises(StorageError, match="cannot write"):
            export(store, small_disk / "mine.jsonl")
        assert len(store.training()["x"]) + len(store.held_out()["x"]) in {whole, 0}
        filler.unlink()
        before = store.count()
        store.add(ONE)
        assert store.count() == before + 1
        assert store.delete(everything=True) == before + 1
    assert sorted(one.name for one in small_disk.iterdir()) == ["s.db"]


def test_examples_that_no_disk_has_room_for(small_disk: Path) -> None:
    """More than SQLite holds in memory: the disk is full in the middle of the transaction, not at its end."""
    huge = {"x": np.ones((300_000, 1), np.float32), "y": np.ones((300_000, 1), np.float32)}
    with ExampleStore.create(small_disk / "s.db", MANIFEST.example_specs) as store:
        store.add(ONE)
        with pytest.raises(StorageError, match="full"):
            store.add_many(huge)
        assert store.count() == 1
        store.add(ONE)
        assert store.count() == 2


def test_a_store_that_cannot_be_made_leaves_nothing(small_disk: Path) -> None:
    filler = fill(small_disk)
    with pytest.raises(StorageError, match=r"new\.db"):
        ExampleStore.create(small_disk / "new.db", MANIFEST.example_specs)
    assert list(small_disk.iterdir()) == [filler]


@pytest.mark.parametrize(
    "make", [lambda path: ExampleStore.create(path, MANIFEST.example_specs), Ledger.open], ids=["store", "ledger"]
)
def test_a_file_is_made_whole_or_not_at_all(small_disk: Path, make: Callable[[Path], ExampleStore | Ledger]) -> None:
    """However much room there is: what is under the name in the end can be opened and written to."""
    made = 0
    for pages in range(40):
        filler = fill(small_disk)
        os.truncate(filler, filler.stat().st_size - 4096 * pages)
        path = small_disk / "new.db"
        try:
            make(path).close()
        except StorageError:
            # Its name may be there already: whole, and without room for the log of whoever opens it.
            left = {one.name for one in small_disk.iterdir()} - {"filler", "new.db", "new.db-wal", "new.db-shm"}
            assert left == set(), pages
        else:
            made += 1
        filler.unlink()
        make(path).close()
        for one in small_disk.glob("new.db*"):
            one.unlink()
    assert 0 < made < 40


def test_what_the_ledger_has_no_room_for_does_not_leave(bench: Bench, small_disk: Path) -> None:
    Ledger.open(small_disk / "ledger.db").close()
    bench.folder.mkdir()
    (bench.folder / "ledger.db").symlink_to(small_disk / "ledger.db")
    with bench.device() as device:
        assert device.run_once().ended is Ended.IDLE
        filler = fill(small_disk)
        # Rows fit into the log's last pages for a while; each is on the disk before its message leaves.
        with pytest.raises(StorageError, match=r"ledger\.db cannot be used: .*full"):
            again_and_again(device.run_once)
        bench.offer()
        with pytest.raises(StorageError, match=r"ledger\.db cannot be used: .*full"):
            device.run_once()
        assert device.ledger.total_bytes() == bench.aggregator.bytes_in
        assert bench.aggregator.reports == []
        filler.unlink()
        assert device.run_once().ended is Ended.COUNTED
    bench.check_ledger()


def test_a_disk_that_fills_while_it_trains_defers_the_report(bench: Bench, small_disk: Path) -> None:
    bench = replace(bench, folder=small_disk / "device")
    bench.offer()
    trainer = Filling(small_disk)
    with bench.device(trainer=trainer) as device:
        with pytest.raises(StorageError):
            device.run_once()
        assert bench.aggregator.reports == []
        assert trainer.filler is not None
        trainer.filler.unlink()
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    assert len(bench.aggregator.reports) == 1
    bench.check_ledger()


def harm(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def scramble(content: bytearray) -> None:
    """Everything but the first page."""
    content[4096:] = bytes(255 - one for one in content[4096:])


def behead(content: bytearray) -> None:
    content[:100] = bytes(100)


def cut(content: bytearray) -> None:
    del content[4096 + 100 :]


@pytest.mark.parametrize("change", [scramble, behead, cut])
def test_nothing_leaves_a_device_whose_ledger_is_damaged(bench: Bench, change: Callable[[bytearray], None]) -> None:
    bench.offer()
    bench.once()
    sent = bench.aggregator.bytes_in
    harm(bench.folder / "ledger.db", change)
    with pytest.raises(StorageError, match=r"the ledger .*ledger\.db is damaged: .*; move it away"):
        bench.once()
    assert bench.aggregator.bytes_in == sent
    for path in bench.folder.glob("ledger.db*"):
        path.rename(bench.folder / f"kept-{path.name}")
    bench.offer()
    assert bench.once().ended is Ended.COUNTED


@pytest.mark.parametrize("change", [scramble, cut])
def test_a_damaged_store_gives_up_the_round_and_says_so_at_home_only(
    bench: Bench, change: Callable[[bytearray], None]
) -> None:
    bench.store.close()
    harm(bench.store.path, change)
    bench.offer()
    try:
        store = ExampleStore.open(bench.store.path)
    except StorageError as error:
        assert "is damaged" in str(error)  # noqa: PT017 - it depends on the page that went
        return
    with store:
        done = bench.once(store=store)
    assert done.ended is Ended.WITHDRAWN
    assert "is damaged" in done.detail
    (seen,) = bench.aggregator.reports
    assert seen.header.outcome == aggregator_pb2.OUTCOME_FAILED
    assert seen.payload == b""
    assert b"damaged" not in seen.header.SerializeToString()


def test_a_beheaded_store_is_no_store(bench: Bench) -> None:
    bench.store.close()
    harm(bench.store.path, behead)
    with pytest.raises(StorageError, match=r"s\.db is damaged"):
        ExampleStore.open(bench.store.path)


def test_a_store_that_another_process_writes_to(bench: Bench) -> None:
    """Training reads past it; an addition waits, and in the end says so and changes nothing."""
    with closing(sqlite3.connect(bench.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM examples")
        bench.offer()
        assert bench.once().ended is Ended.COUNTED
        assert bench.aggregator.reports[0].header.example_count == 17
        bench.store._connection.execute("PRAGMA busy_timeout = 20")
        for change in (lambda: bench.store.add(ONE), lambda: bench.store.delete(1)):
            with pytest.raises(StorageError, match="database is locked"):
                change()
        other.execute("ROLLBACK")
    assert bench.store.count() == 20
    bench.store.add(ONE)
    assert bench.store.count() == 21


def test_a_ledger_that_another_process_holds(bench: Bench) -> None:
    bench.offer()
    with bench.device() as device, closing(sqlite3.connect(bench.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        device.ledger._connection.execute("PRAGMA busy_timeout = 20")
        with pytest.raises(StorageError, match="database is locked"):
            device.run_once()
        assert bench.aggregator.bytes_in == 0
        other.execute("ROLLBACK")
        assert device.run_once().ended is Ended.COUNTED
    bench.check_ledger()


def test_a_ledger_that_was_removed_records_nothing_and_nothing_leaves(bench: Bench) -> None:
    with bench.device() as device:
        assert device.run_once().ended is Ended.IDLE
        sent = bench.aggregator.bytes_in
        for path in bench.folder.glob("ledger.db*"):
            path.unlink()
        with pytest.raises(StorageError, match=r"ledger\.db was removed or replaced while it was open"):
            device.run_once()
        assert bench.aggregator.bytes_in == sent
    bench.offer()
    assert bench.once().ended is Ended.COUNTED


def test_a_store_that_was_replaced_takes_nothing_in(bench: Bench, tmp_path: Path) -> None:
    bench.store.path.rename(tmp_path / "elsewhere.db")
    # SQLite would bring the old file's log into the new one.
    with pytest.raises(StorageError, match=r"s\.db-wal was left behind by a file that is gone"):
        ExampleStore.create(bench.store.path, MANIFEST.example_specs)
    (tmp_path / "s.db-wal").rename(tmp_path / "elsewhere.db-wal")
    (tmp_path / "s.db-shm").unlink()
    with ExampleStore.open(tmp_path / "elsewhere.db") as moved:
        assert moved.count() == 20
    with ExampleStore.create(bench.store.path, MANIFEST.example_specs) as fresh:
        for change in (lambda: bench.store.add(ONE), lambda: bench.store.delete(everything=True)):
            with pytest.raises(StorageError, match="removed or replaced"):
                change()
        assert fresh.count() == 0


def test_a_ledger_of_another_program_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="belongs to another program"):
        Ledger.open(bench.store.path)
    assert bench.store.count() == 20
    assert not list(tmp_path.glob("*.new"))
