"""Deleted is deleted: the raw bytes of the file and its log are searched."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.sdk import ExampleStore, StoreLimits, TensorSpec
from fieldfare.sdk.store import _schema

SPECS = (TensorSpec("data", "uint8", (40,)),)


def raw(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()))


def example(number: int) -> dict[str, np.ndarray]:
    return {"data": np.frombuffer(f"<{number:032x}>".ljust(40).encode(), np.uint8)}


def text(number: int) -> bytes:
    return f"<{number:032x}>".encode()


@pytest.mark.parametrize("seed", range(3))
def test_no_copy_is_left_behind(tmp_path: Path, seed: int) -> None:
    """SQLite moves rows between pages as its trees grow and shrink, and leaves copies of them in unused space."""
    chance = random.Random(seed)  # noqa: S311
    live: dict[str, int] = {}
    gone: list[bytes] = []
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        for _ in range(300):
            if chance.random() < 0.7 or not live:
                key, number = f"key-{chance.getrandbits(64):016x}", chance.getrandbits(128)
                live[key] = number
            else:
                key, number = chance.choice(sorted(live)), chance.getrandbits(128)
                gone.append(text(live[key]))
                live[key] = number
            store.add(example(number), key=key)
        dropped = chance.sample(sorted(live), 100)
        with store._writing() as connection:  # as 100 calls of delete, but for 100 files written anew
            for key in dropped:
                connection.execute("DELETE FROM examples WHERE key = ?", (key,))
                gone += [key.encode(), text(live.pop(key))]
        last = sorted(live)[7]
        assert store.delete(key=last) == 1
        gone += [last.encode(), text(live.pop(last))]
        left = raw(tmp_path)
        assert [one for one in gone if one in left] == []
        assert all(text(number) in left and key.encode() in left for key, number in live.items())


def test_every_way_to_delete(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        for number in range(6):
            collection = "secrets" if number > 3 else "default"
            store.add(example(number), key=f"name-{number}", collection=collection)
        assert text(0) in raw(tmp_path)
        assert store.delete(1) == 1
        assert text(0) not in raw(tmp_path)
        assert store.delete(key="name-1") == 1
        assert text(1) not in raw(tmp_path)
        assert b"name-1" not in raw(tmp_path)
        assert store.delete(collection="secrets") == 2
        assert text(4) not in raw(tmp_path)
        assert b"secrets" not in raw(tmp_path)
        assert text(2) in raw(tmp_path)
        assert store.delete(everything=True) == 2
        assert b"name-" not in raw(tmp_path)
        assert b"<0000" not in raw(tmp_path)
        for wrong in ({}, {"everything": True, "key": "a"}, {"example_id": 1, "collection": "default"}):
            with pytest.raises(ConfigError, match="delete takes one of"):
                store.delete(**wrong)


def test_what_a_limit_dropped_or_a_key_replaced_is_swept(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, limits=StoreLimits(max_examples=2)) as store:
        for number in range(4):
            store.add(example(number))
        store.add(example(4), key="k")
        store.add(example(5), key="k")
        store.sweep()
        left = raw(tmp_path)
        assert [number for number in range(6) if text(number) in left] == [3, 5]


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    """Killed between the deletion and the overwriting; the note of it is part of the deletion."""
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        store.add(example(1))
        with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM examples").fetchone() == (1,)
            with pytest.raises(StorageError, match="can be read no more, but its bytes are not overwritten yet"):
                store.delete(1)
    with ExampleStore.open(store.path) as store:
        assert store.delete(1) == 0
        assert text(1) not in raw(tmp_path)


def test_what_another_process_deletes_meanwhile_is_not_taken_for_swept(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store, ExampleStore.open(tmp_path / "s.db") as other:
        store.add(example(1), key="a")
        store.add(example(2), key="b")

        def delete_and_die(statement: str) -> None:
            """Once the file was written anew: delete the other one, and be killed before the sweep."""
            if "TRUNCATE" in statement:
                with other._writing() as connection:
                    connection.execute("DELETE FROM examples WHERE key = 'b'")
                    _schema.note_unswept(connection)

        store._connection.set_trace_callback(delete_and_die)
        store.delete(key="a")
        store._connection.set_trace_callback(None)
        # Some of it may be in the log, which the checkpoint has emptied; what counts is that a sweep is still due.
        assert _schema.read_property(store._connection, _schema.UNSWEPT) is not None
        store.sweep()
        assert _schema.read_property(store._connection, _schema.UNSWEPT) is None
        assert text(2) not in raw(tmp_path)


def test_the_file_shrinks_with_what_is_deleted(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        store.add_many({"data": np.ones((20_000, 40), np.uint8)})
        assert store.delete(everything=True) == 20_000
        assert store.path.stat().st_size < 100_000
        assert store.path.with_name("s.db-wal").stat().st_size < 100_000
