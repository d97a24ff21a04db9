"""CSV and NPZ: what they mean, and errors that name a place but never a value."""

from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.reading import read_csv, read_examples

IMAGE = (TensorSpec("pixels", "float32", (2, 2)), TensorSpec("label", "int32", ()))
TWO = (TensorSpec("a", "float32", (2,)), TensorSpec("b", "int64", ()), TensorSpec("y", "bool", (1,)))
CANARY = "7712.25"


def csv(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text)
    return path


def test_the_columns_that_are_left_are_the_one_input(tmp_path: Path) -> None:
    path = csv(tmp_path, "p0,p1,label,p2,p3\n1,2,7,3,4.5\n\n-1,0,8,1e3,.5\n")
    found = read_examples(path, IMAGE)
    assert found["pixels"].dtype == np.float32
    assert found["pixels"].tolist() == [[[1, 2], [3, 4.5]], [[-1, 0], [1000, 0.5]]]
    assert found["label"].tolist() == [7, 8]
    assert found["label"].dtype == np.int32


def test_several_inputs_by_name(tmp_path: Path) -> None:
    path = csv(tmp_path, "\ufeffy,a.1,b,a.0\ntrue,2,5.0,1\n0,4,6,3\n")
    found = read_examples(path, TWO)
    assert found["a"].tolist() == [[1, 2], [3, 4]]
    assert found["b"].tolist() == [5, 6]
    assert found["y"].tolist() == [[True], [False]]


def test_many_rows(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},0,0,0,{i}" for i in range(5000))
    found = read_examples(csv(tmp_path, f"p0,p1,p2,p3,label\n{rows}"), IMAGE)
    assert found["label"].tolist() == list(range(5000))
    assert found["pixels"][:, 0, 0].tolist() == list(range(5000))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "header"),
        (f"{CANARY},2,3,4,5\n1,2,3,4,5\n", "must be a header"),
        ("p0,p1,p2,p3,label\n", "no rows"),
        (f"p0,p1,p2,p3,label\n1,2,3,4,5\n1,2,{CANARY}x,4,5\n", r"row 3, column 3 \('pixels'\).*float32"),
        (f"p0,p1,p2,p3,label\n1,2,3,4,{CANARY}\n", r"row 2, column 5 \('label'\).*int32"),
        ("p0,p1,p2,p3,label\n1,2,3,4,77122500000\n", r"row 2, column 5"),
        ("p0,p1,p2,p3,label\n1,2,7e77,4,5\n", r"row 2, column 3"),
        ("p0,p1,p2,p3,label\n1,2,nan,4,5\n", r"row 2, column 3"),
        ("p0,p1,p2,p3,label\n1,2,,4,5\n", r"row 2, column 3"),
        (f"p0,p1,p2,p3,label\n1,2,{CANARY},4\n", r"row 2 has 4 columns, the header has 5"),
        ("p0,p1,label\n1,2,3\n", "'pixels.0' to 'pixels.3'; 2 columns are left"),
        ("pixels.0,pixels.1,pixels.2,pixels.3\n1,2,3,4\n", "no column 'label'"),
        ("pixels.0,pixels.1,pixels.2,pixels.3,label,x\n1,2,3,4,5,6\n", r"belong to no tensor \(column 6\)"),
        ("p,p,p2,p3,label\n1,2,3,4,5\n", "same name"),
        (f'p0,p1,p2,p3,label\n1,2,3,4,"{CANARY}\n', "row 2|CSV"),
    ],
)
def test_what_does_not_fit_names_the_place_and_not_the_value(tmp_path: Path, text: str, words: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(DataError, match=words) as caught:
        read_examples(path, IMAGE)
    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error).replace(str(path), ""))
        error = error.__cause__ if error.__suppress_context__ else error.__context__
    assert not any("7712" in words or CANARY in words for words in chain)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"p0,\xff\xfe\n1")
    with pytest.raises(DataError, match="UTF-8"):
        read_examples(path, IMAGE)


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    pixels, label = np.ones((3, 2, 2), np.float32), np.arange(3, dtype=np.int32)
    np.savez(path, pixels=pixels, label=label)
    assert read_examples(path, IMAGE)["label"].tolist() == [0, 1, 2]
    np.savez(path, pixels=pixels.astype(np.float64), label=label)
    with pytest.raises(DataError, match="expected dtype float32, got float64"):
        read_examples(path, IMAGE)
    np.savez(path, pixels=pixels)
    with pytest.raises(DataError, match="need the tensors"):
        read_examples(path, IMAGE)
    np.savez(path, pixels=np.array([{"a": CANARY}], dtype=object), label=label)
    with pytest.raises(DataError, match="objects"):
        read_examples(path, IMAGE)
    for content in (b"", b"PK\x03\x04 broken", b"text"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no NPZ file"):
            read_examples(path, IMAGE)
    with path.open("wb") as file:
        np.save(file, label)
    with pytest.raises(DataError, match="no NPZ file"):
        read_examples(path, IMAGE)


def test_other_files(tmp_path: Path) -> None:
    for name in ("a.csv", "a.npz"):
        with pytest.raises(NotFoundError):
            read_examples(tmp_path / name, IMAGE)
    with pytest.raises(DataError, match=r"only .csv and .npz"):
        read_examples(tmp_path / "a.txt", IMAGE)


def test_a_column_of_texts_stands_beside_the_tensors(tmp_path: Path) -> None:
    path = csv(tmp_path, "p0,who,p1,label,p2,p3\n1, anna ,2,7,3,4.5\n0,bo,0,8,0,0\n")
    found = read_csv(path, IMAGE, text="who")
    assert found["who"].tolist() == ["anna", "bo"]
    assert found["pixels"][0].tolist() == [[1, 2], [3, 4.5]]
    with pytest.raises(DataError, match="no column 'whose'"):
        read_csv(path, IMAGE, text="whose")
    for cell in ("", "x" * 257):
        path = csv(tmp_path, f"p0,who,p1,label,p2,p3\n1,{cell},2,7,3,4.5\n")
        with pytest.raises(DataError, match=r"row 2, column 2 \('who'\): needs a text of 1 to 256 characters"):
            read_csv(path, IMAGE, text="who")
