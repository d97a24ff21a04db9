"""The example store: what goes in comes out, for good, and nothing else reads it."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fieldfare.core.errors import ConfigError, DataError, NotFoundError, StateError, StorageError
from fieldfare.sdk import ExampleStore, TensorSpec

SPECS = (TensorSpec("x", "float32", (2,)), TensorSpec("label", "int32", ()))
CANARY = 77123.25


def some(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    numbers = np.arange(first, first + rows)
    return {"x": np.stack([numbers, -numbers], 1).astype(np.float32), "label": numbers.astype(np.int32)}


@pytest.fixture
def store(tmp_path: Path):
    with ExampleStore.create(tmp_path / "examples.db", SPECS) as made:
        yield made


DTYPES = st.sampled_from(["float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtypes=st.lists(DTYPES, min_size=1, max_size=3), rows=st.integers(1, 9))
def test_every_dtype_and_shape_comes_back_as_it_was(tmp_path_factory, data, dtypes, rows) -> None:
    shapes = data.draw(st.lists(hnp.array_shapes(min_dims=0, max_dims=3), min_size=len(dtypes), max_size=len(dtypes)))
    specs = [TensorSpec(f"t{i}", dtype, shape) for i, (dtype, shape) in enumerate(zip(dtypes, shapes, strict=True))]
    examples = {
        spec.name: data.draw(
            hnp.arrays(
                spec.dtype,
                (rows, *spec.shape),
                elements={"allow_nan": False, "allow_infinity": False} if spec.dtype.startswith("float") else None,
            )
        )
        for spec in specs
    }
    path = tmp_path_factory.mktemp("store") / "s.db"
    with ExampleStore.create(path, specs, held_out_share=0) as store:
        assert store.add_many(examples) == rows
    with ExampleStore.open(path) as store:
        assert store.specs == tuple(specs)
        found = store.training()
    for spec in specs:
        assert found[spec.name].dtype == np.dtype(spec.dtype)
        np.testing.assert_array_equal(found[spec.name], examples[spec.name])


@pytest.mark.parametrize("rows", [20, 40, 100, 1000])
def test_close_to_the_share_is_held_out(tmp_path: Path, rows: int) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0.15) as store:
        store.add_many(some(rows))
        assert store.count() == rows
        assert store.count(held_out=True) == pytest.approx(0.15 * rows, abs=1)
        both = np.concatenate([store.training()["label"], store.held_out()["label"]])
        assert sorted(both) == list(range(rows))


def test_held_out_examples_do_not_follow_a_fixed_stride(tmp_path: Path) -> None:
    """Classes that repeat with period 20 would otherwise give the same three for ever."""
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        store.add_many(some(2000))
        assert len(set(store.held_out()["label"] % 20)) > 15


def test_what_is_held_out_stays_so(store: ExampleStore) -> None:
    store.add_many(some(30))
    before = set(store.held_out()["label"])
    store.add_many(some(30, first=100))
    path = store.path
    store.close()
    with ExampleStore.open(path) as again:
        assert before == {label for label in again.held_out()["label"] if label < 100}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_shares(tmp_path: Path, share: float) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=share) as store:
        store.add_many(some(200))
        assert store.count(held_out=True) == pytest.approx(200 * share, abs=1)
        assert store.held_out_share == pytest.approx(share)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_bounds_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(ConfigError, match="held_out_share"):
        ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=share)
    assert not (tmp_path / "s.db").exists()


def test_training_gives_the_newest_oldest_first(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0) as store:
        store.add_many(some(10))
        assert store.training(3)["label"].tolist() == [7, 8, 9]
        assert store.training(0)["label"].tolist() == []
        with pytest.raises(ConfigError, match="limit"):
            store.training(-1)
        assert store.training()["label"].tolist() == list(range(10))


def test_an_empty_store_gives_empty_arrays(store: ExampleStore) -> None:
    assert store.training()["x"].shape == (0, 2)
    assert store.held_out()["label"].shape == (0,)
    assert store.count() == 0


def test_add_one_and_replace_it_by_key(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0) as store:
        first = store.add({"x": [1, 2.5], "label": 3}, key="a")
        assert store.add({"x": np.float32([4, 5]), "label": np.int32(6)}, key="b") == first + 1
        assert store.add({"x": [7, 8], "label": 9}, key="a") == first
        assert store.training()["label"].tolist() == [9, 6]


def test_delete(tmp_path: Path) -> None:
    with ExampleStore.create(tmp_path / "s.db", SPECS, held_out_share=0) as store:
        store.add_many(some(5))
        store.add({"x": [0, 0], "label": 99}, key="k")
        assert store.delete(2) == 1
        assert store.delete(key="k") == 1
        assert store.delete(key="k") == 0
        assert store.training()["label"].tolist() == [0, 2, 3, 4]
        assert store.delete(everything=True) == 4
        assert store.count() == 0
        with pytest.raises(ConfigError):
            store.delete()
        with pytest.raises(ConfigError):
            store.delete(1, everything=True)


def test_deleted_values_are_gone_from_the_files(tmp_path: Path) -> None:
    needle = np.float32([CANARY]).tobytes()
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        store.add({"x": [CANARY, CANARY], "label": 1}, key="k")
        assert any(needle in path.read_bytes() for path in tmp_path.iterdir())
        store.delete(key="k")
        assert not any(needle in path.read_bytes() for path in tmp_path.iterdir())


def test_bytes_that_a_reader_keeps_from_being_overwritten_are_told(tmp_path: Path) -> None:
    needle = np.float32([CANARY]).tobytes()
    with ExampleStore.create(tmp_path / "s.db", SPECS) as store:
        store.add({"x": [CANARY, CANARY], "label": 1}, key="k")
        with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM examples").fetchone()
            with pytest.raises(StorageError, match="not overwritten yet: another process reads"):
                store.delete(key="k")
        assert store.count() == 0
        assert store.delete(key="k") == 0
        assert not any(needle in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "example",
    [
        {"x": [CANARY, 1.0]},
        {"x": [CANARY, 1.0], "label": 1, "more": CANARY},
        {"x": [CANARY, 1.0], "label": 2.5 + CANARY},
        {"x": [CANARY, 1.0], "label": 2**40},
        {"x": [CANARY], "label": 1},
        {"x": [[CANARY], [1.0, 2.0]], "label": 1},
        {"x": [2**24 + 1, 771230000001], "label": 1},
        {"x": np.array([CANARY, 1.0]), "label": 1},
        {"x": [CANARY, float("nan")], "label": 1},
        {"x": [CANARY, float("inf")], "label": 1},
        {"x": [CANARY, 1e300], "label": 1},
        {"x": str(CANARY), "label": 1},
        {"x": [CANARY, 1.0], 7712: 1},
        {"x": {CANARY: 1.0}, "label": 1},
        [CANARY, 1.0],
        CANARY,
        None,
    ],
)
def test_what_does_not_fit_is_refused_without_its_values(store: ExampleStore, example) -> None:
    with pytest.raises(DataError) as caught:
        store.add(example)
    assert "7712" not in str(caught.value)
    assert store.count() == 0


def test_add_many_is_all_or_nothing(store: ExampleStore) -> None:
    bad = some(10)
    bad["x"][7, 1] = np.nan
    with pytest.raises(DataError):
        store.add_many(bad)
    with pytest.raises(DataError, match="float64"):
        store.add_many({"x": np.zeros((2, 2)), "label": np.zeros(2, np.int32)})
    for wrong in ({"x": [[1.0, 2.0]], "label": [1]}, {"x": np.float32(1), "label": np.int32(1)}, [1.0], None):
        with pytest.raises(DataError, match=r"mapping|NumPy array"):
            store.add_many(wrong)
    assert store.count() == 0


def test_create_opens_an_equal_store_and_refuses_another(store: ExampleStore) -> None:
    store.add_many(some(3))
    with ExampleStore.create(store.path, SPECS) as same:
        assert same.count() == 3
    with pytest.raises(DataError, match="holds examples of x"):
        ExampleStore.create(store.path, SPECS[:1])
    with pytest.raises(DataError, match="at least one tensor"):
        ExampleStore.create(store.path.with_name("other.db"), ())


def test_open_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        ExampleStore.open(tmp_path / "absent.db")
    (tmp_path / "text.db").write_text("this is no data base" * 100)
    with pytest.raises(StorageError):
        ExampleStore.open(tmp_path / "text.db")
    sqlite3.connect(tmp_path / "other.db").executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    with pytest.raises(StorageError, match="another program"):
        ExampleStore.open(tmp_path / "other.db")


def test_a_damaged_store_is_noticed(store: ExampleStore) -> None:
    store.add_many(some(5))
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE examples SET data = x'00'")
    connection.close()
    with ExampleStore.open(store.path) as again, pytest.raises(StorageError, match="damaged"):
        again.training()


def test_a_closed_store_says_so(store: ExampleStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StateError, match="closed"):
        store.count()


def test_a_process_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ExampleStore.create("s.db", SPECS) as store:
        monkeypatch.chdir("/")
        store.add_many(some(3))
        assert store.delete(everything=True) == 3


def test_only_the_owner_can_read_it(store: ExampleStore) -> None:
    store.add_many(some(3))
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


ADD_FOREVER = """
import sys, numpy as np
from fieldfare.sdk import ExampleStore
store = ExampleStore.open(sys.argv[1])
rows = np.full((500, 2), 1, np.float32)
print("ready", flush=True)
while True:
    store.add_many({"x": rows, "label": np.full(500, 7, np.int32)})
    print(store.count(), flush=True)
"""


def test_a_kill_during_add_many_leaves_whole_batches(store: ExampleStore) -> None:
    store.close()
    command = [sys.executable, "-c", ADD_FOREVER, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        said = [int(process.stdout.readline()) for _ in range(3)]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with ExampleStore.open(store.path) as again:
        assert again.count() % 500 == 0
        assert again.count() >= said[-1]
        assert again.count(held_out=True) == pytest.approx(0.15 * again.count(), abs=1)
        assert len(again.training()["label"]) == again.count(held_out=False)


CREATE_AND_ADD = """
import sys, numpy as np
from fieldfare.sdk import ExampleStore, TensorSpec
specs = (TensorSpec("x", "float32", (2,)), TensorSpec("label", "int32", ()))
with ExampleStore.create(sys.argv[1], specs) as store:
    for i in range(50):
        store.add({"x": [i, i], "label": int(sys.argv[2])})
"""


def test_several_processes_create_and_add_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    writers = [subprocess.Popen([sys.executable, "-c", CREATE_AND_ADD, str(path), str(i)]) for i in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with ExampleStore.open(path) as store:
        assert store.count() == 150
        assert store.count(held_out=True) == pytest.approx(22.5, abs=1)
        labels = np.concatenate([store.training()["label"], store.held_out()["label"]])
        assert np.bincount(labels).tolist() == [50, 50, 50]
    assert {one.name for one in tmp_path.iterdir()} == {"shared.db"}
