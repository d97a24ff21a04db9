"""NPZ, CSV and Parquet files: the same examples from each, and one clear error for what is wrong with one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fieldfare.core.errors import ConfigError, DataError, NotFoundError
from fieldfare.core.weights import TensorSpec
from tests.unit.emulator.data.examples import CANARY, WHO, X, Y, holds, load


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


def csv(folder: Path, **names: str) -> Path:
    x, y, who = (names.get(name, name) for name in ("x", "y", "who"))
    lines = [",".join([*(f"{x}.{index}" for index in range(6)), y, who])]
    lines += [",".join(map(str, [*row.ravel(), label, whose])) for row, label, whose in zip(X, Y, WHO, strict=True)]
    (folder / "a.csv").write_text("\n".join(lines))
    return folder / "a.csv"


def table(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet.write_table(pa.table(columns), folder / "a.parquet", **options)
    return folder / "a.parquet"


def test_arrays(tmp_path: Path) -> None:
    assert holds(load(npz(tmp_path, x=X, y=Y, who=WHO, unread=np.zeros(9)), column="who"))
    named = npz(tmp_path, image=X.astype(np.float64), digit=Y.astype(np.int64), who=WHO)
    assert holds(load(named, columns={"x": "image", "y": "digit"}, column="who"))


def test_rows_of_text(tmp_path: Path) -> None:
    assert holds(load(csv(tmp_path), column="who"))
    assert holds(load(csv(tmp_path, x="image", y="digit"), columns={"x": "image", "y": "digit"}, column="who"))


@pytest.mark.parametrize("kind", ["nested", "flat", "fixed", "numbered"])
def test_columns_of_a_parquet_file(tmp_path: Path, kind: str) -> None:
    columns: dict[str, Any] = {
        "nested": {"x": X.tolist()},
        "flat": {"x": [row.ravel().tolist() for row in X]},
        "fixed": {"x": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 6)},
        "numbered": {f"x.{index}": X.reshape(5, 6)[:, index].astype(np.float64) for index in range(6)},
    }[kind]
    path = table(tmp_path, {**columns, "y": Y.astype(np.int64), "who": pa.array(WHO).dictionary_encode(), "z": Y})
    assert holds(load(path, column="who"))


def test_row_groups_come_one_after_the_other(tmp_path: Path) -> None:
    # 70,000 rows are more than one batch.
    numbers = np.arange(70_000)
    path = table(tmp_path, {"x": numbers, "y": numbers}, row_group_size=9_999)
    specs = (TensorSpec("x", "float32", (1,)), TensorSpec("y", "int32", ()))
    found = load(path, specs).examples
    assert np.array_equal(found["x"][:, 0], numbers)
    assert np.array_equal(found["y"], numbers)


GOOD: dict[str, Any] = {"x": X.tolist(), "y": Y, "who": WHO}
RAGGED = [*X[:4].tolist(), [[CANARY], [1.0]]]


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({"y": None}, {}, r"has no column 'y', it has 'who', 'x'; data\.columns can name others"),
        ({}, {"column": "whose"}, "has no column 'whose', it has 'who', 'x', 'y'"),
        ({}, {"columns": {"y": "label"}}, "has no column 'label'"),
        ({"x": RAGGED}, {}, r"a\.parquet: 'x': its rows have different lengths"),
        ({"x": [[CANARY]] * 5}, {}, r"the plan takes \[2, 3\] for each example, here are \[1\]"),
        ({"y": [1, 2, None, 4, 5]}, {}, "'y': 1 values are missing"),
        ({"x": [[1.0] * 5 + [None]] * 5}, {}, "'x': 5 values are missing"),
        ({"y": [CANARY] * 5}, {}, "'y': holds float64 that are not all whole numbers"),
        ({"x": [[CANARY] * 5 + [float("nan")]] * 5}, {}, "'x': holds NaN"),
        ({"y": ["heron"] * 5}, {}, "'y': holds texts, the plan takes int32"),
        ({"y": pa.array([1] * 5, pa.timestamp("ms"))}, {}, r"'y': holds timestamp\[ms\], which is neither"),
        ({"y": [{"a": 1}] * 5}, {}, "which is neither numbers nor pictures"),
        ({"who": [1.5] * 5}, {"column": "who"}, "needs whole numbers or texts"),
        ({}, {"most_bytes": 100}, "5 examples of 28 bytes are more than data.most_bytes = 100"),
        ({"x": pa.array([], pa.float32()), "y": pa.array([], pa.int32()), "who": []}, {}, "there are no examples"),
    ],
)
def test_a_parquet_file_that_does_not_fit(tmp_path: Path, changes: Any, settings: Any, words: str) -> None:
    columns = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(DataError, match=words) as caught:
        load(table(tmp_path, columns), **settings)
    assert "7712" not in str(caught.value)
    assert "heron" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"column": "whom"}, r"a\.npz: has no column 'whom', it has 'who', 'x', 'y'"),
        ({"columns": {"x": "z"}}, "has no column 'z'"),
        ({"most_bytes": 100}, "its arrays come to .* at most 100 are allowed"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, settings: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(npz(tmp_path, x=X, y=Y, who=WHO), **settings)


def test_text_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'whom'"):
        load(csv(tmp_path), column="whom")
    with pytest.raises(DataError, match="bytes of text may come to more than"):
        load(csv(tmp_path), column="who", most_bytes=100)


@pytest.mark.parametrize("ending", ["npz", "csv", "parquet"])
def test_a_file_that_is_cut_off_or_not_there(tmp_path: Path, ending: str) -> None:
    make = {
        "npz": lambda: npz(tmp_path, x=X, y=Y),
        "csv": lambda: csv(tmp_path),
        "parquet": lambda: table(tmp_path, GOOD),
    }
    path = make[ending]()
    content = path.read_bytes()
    # Text is missed where a row is not whole.
    for length in (0, 3, len(content) - 5, content.rindex(b"," if ending == "csv" else content[-1:], 0, -1)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=rf"a\.{ending}"):
            load(path, column="who" if ending == "csv" else None)
    path.unlink()
    with pytest.raises(NotFoundError, match=rf"a\.{ending}"):
        load(path)


def test_a_parquet_file_with_damage_inside(tmp_path: Path) -> None:
    path = table(tmp_path, {"x": np.arange(1000.0), "y": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[40:400] = b"\xff" * 360
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged"):
        load(path, (TensorSpec("x", "float32", ()), TensorSpec("y", "int32", ())))


@pytest.mark.parametrize(
    ("source", "settings", "error", "words"),
    [
        ("a.txt", {}, ConfigError, r"must be a \.npz, \.csv or \.parquet file, a folder of pictures"),
        ("nowhere", {}, NotFoundError, "data.source: there is no file or folder"),
        ("a.npz", {"split": "train"}, ConfigError, "data.split: only data sets of `datasets` have splits"),
    ],
)
def test_a_source_of_no_kind(tmp_path: Path, source: str, settings: Any, error: type[Exception], words: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    npz(tmp_path, x=X, y=Y)
    with pytest.raises(error, match=words):
        load(tmp_path / source, **settings)
