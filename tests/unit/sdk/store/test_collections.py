"""Collections: groups of examples that are trained with, counted, exported and deleted apart."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.files import read_npz
from fieldfare.sdk import ExampleStore, TensorSpec
from fieldfare.sdk.store import export

SPECS = (TensorSpec("x", "float32", (2,)), TensorSpec("label", "int32", ()))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def some(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    numbers = np.arange(first, first + rows)
    return {"x": np.stack([numbers, -numbers], 1).astype(np.float32), "label": numbers.astype(np.int32)}


@pytest.fixture
def store(tmp_path: Path):
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0.5, now=lambda: NOON) as made:
        made.add_many(some(10), collection="chat")
        made.add_many(some(6, 100), collection="mail")
        made.add({"x": [1.5, 2.5], "label": 7}, key="a")
        yield made


def labels(examples) -> list[int]:
    return examples["label"].tolist()


def test_each_can_be_trained_with_apart(store: ExampleStore) -> None:
    assert store.collections() == {"chat": 10, "mail": 6, "default": 1}
    chat, both = store.select("chat"), store.select("chat", "mail")
    assert chat.specs == SPECS
    assert sorted(labels(chat.training()) + labels(chat.held_out())) == list(range(10))
    assert len(labels(both.training()) + labels(both.held_out())) == 16
    assert labels(both.training(2)) == labels(store.select("mail").training())[-2:]
    assert labels(store.select("absent").training()) == []
    assert store.count(collections=["mail"]) == 6
    assert len(labels(store.training()) + labels(store.held_out())) == 17


def test_each_holds_out_its_share(store: ExampleStore) -> None:
    assert store.count(True, collections=["chat"]) == 5
    assert store.count(True, collections=["mail"]) == 3


def test_a_key_names_one_example_of_a_collection(store: ExampleStore) -> None:
    first = store.add({"x": [0, 0], "label": 1}, key="a", collection="chat")
    assert store.add({"x": [0, 0], "label": 2}, key="a", collection="chat") == first
    assert store.collections() == {"chat": 11, "mail": 6, "default": 1}
    assert store.delete(key="a", collection="mail") == 0
    assert store.delete(key="a", collection="chat") == 1
    store.add({"x": [0, 0], "label": 1}, key="a", collection="mail")
    assert store.delete(key="a") == 2


def test_a_whole_collection_goes_with_its_name(store: ExampleStore) -> None:
    assert b"chat" in store.path.read_bytes() + store.path.with_name("s.db-wal").read_bytes()
    assert store.delete(collection="chat") == 10
    assert store.collections() == {"mail": 6, "default": 1}
    assert not any(b"chat" in path.read_bytes() for path in store.path.parent.iterdir())
    assert store.delete(everything=True) == 7
    assert store.collections() == {}


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\ud800", 5])
def test_names_that_cannot_be_used(store: ExampleStore, name) -> None:
    for call in (
        lambda: store.add({"x": [0, 0], "label": 1}, collection=name),
        lambda: store.add_many(some(2), collection=name),
        lambda: store.select(name),
    ):
        with pytest.raises(ConfigError, match="collection"):
            call()
    with pytest.raises(ConfigError, match="key"):
        store.add({"x": [0, 0], "label": 1}, key=name * 5 if isinstance(name, str) else name)
    assert sum(store.collections().values()) == 17


def test_a_selection_needs_a_name(store: ExampleStore) -> None:
    with pytest.raises(ConfigError, match="collections"):
        store.select()


def test_everything_comes_back_to_its_owner(store: ExampleStore) -> None:
    store.add_many(some(600, 1000), collection="much")
    found = list(store.stored())
    assert [one.number for one in found] == list(range(1, 618))
    one = found[16]
    assert (one.collection, one.key, one.added, one.tensors["label"].tolist()) == ("default", "a", NOON, 7)
    assert sum(one.held_out for one in found) == store.count(held_out=True)
    assert [one.tensors["label"].item() for one in store.stored(collections=["mail"])] == list(range(100, 106))


def test_export_as_lines(store: ExampleStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "mine.jsonl") == 17
    lines = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text().splitlines()]
    assert lines[16] == {
        "id": 17,
        "collection": "default",
        "key": "a",
        "added": "2026-05-01T12:00:00+00:00",
        "held_out": lines[16]["held_out"],
        "tensors": {"x": [1.5, 2.5], "label": 7},
    }
    assert stat.S_IMODE((tmp_path / "mine.jsonl").stat().st_mode) == 0o600


def test_export_as_arrays_that_can_be_added_again(store: ExampleStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "mine.npz", collections=["mail"]) == 6
    found = read_npz(tmp_path / "mine.npz", SPECS)
    np.testing.assert_array_equal(found["x"], some(6, 100)["x"])
    assert stat.S_IMODE((tmp_path / "mine.npz").stat().st_mode) == 0o600
    assert export(store, tmp_path / "none.npz", collections=["absent"]) == 0
    with np.load(tmp_path / "none.npz") as arrays:
        assert arrays["x"].shape == (0, 2)


def test_export_says_what_is_wrong(store: ExampleStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.jsonl or \.npz"):
        export(store, tmp_path / "mine.txt")
    with pytest.raises(StorageError, match="cannot write"):
        export(store, tmp_path / "absent" / "mine.jsonl")
    store._connection.execute("UPDATE examples SET data = x'00' WHERE id = 12")
    with pytest.raises(StorageError, match="wrong length"):
        export(store, tmp_path / "half.jsonl")
    assert not list(tmp_path.glob("*half*"))
