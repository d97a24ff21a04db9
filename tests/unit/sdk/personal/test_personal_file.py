"""The file of a device's own weights: whole or not there."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import StorageError, WeightsError
from fieldfare.core.weights import TensorSpec
from fieldfare.sdk.personal import PersonalFile, PersonalRecord

SPECS = (TensorSpec("head", "float32", (3,)),)
VALUES = np.float32([1, -2, 0.5])
RECORD = PersonalRecord(
    plan="p" * 64,
    checkpoint="c" * 64,
    version=3,
    task="t",
    kept=True,
    detail="better",
    tensors=("head",),
    examples=10,
    held_out=4,
    shared={"loss": 2.0},
    own={"loss": 1.0},
    settings="s",
    made_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def file(tmp_path: Path) -> PersonalFile:
    return PersonalFile(tmp_path / "personal")


def test_what_was_kept_comes_back(file: PersonalFile, tmp_path: Path) -> None:
    assert file.record() is None
    file.clear()
    written = file.write(RECORD, SPECS, VALUES)
    assert len(written.sha256) == 64
    assert file.record() == written == replace(RECORD, sha256=written.sha256)
    specs, values = file.weights(written)
    assert specs == SPECS
    np.testing.assert_array_equal(values, VALUES)
    assert stat.S_IMODE((tmp_path / "personal").stat().st_mode) == 0o600
    file.clear()
    assert file.record() is None
    assert not list(tmp_path.iterdir())


def test_a_verdict_alone_holds_no_weights(file: PersonalFile, tmp_path: Path) -> None:
    file.write(RECORD, SPECS, VALUES)
    written = file.write(replace(RECORD, kept=False), SPECS, VALUES)
    assert (written.kept, written.sha256) == (False, "")
    assert file.record() == written
    assert (tmp_path / "personal").read_bytes().partition(b"\n")[2] == b""


def test_weights_that_are_not_those_of_the_record_are_refused(file: PersonalFile, tmp_path: Path) -> None:
    written = file.write(RECORD, SPECS, VALUES)
    content = (tmp_path / "personal").read_bytes()
    for damaged in (content[:-1], content[:-1] + b"\0", content + b"\0"):
        (tmp_path / "personal").write_bytes(damaged)
        assert file.record() == written
        with pytest.raises(WeightsError, match="is damaged"):
            file.weights(written)
    file.write(RECORD, SPECS, VALUES + 1)
    with pytest.raises(WeightsError, match="is damaged"):
        file.weights(written)
    file.clear()
    with pytest.raises(StorageError, match="cannot be read"):
        file.weights(written)


def test_a_line_that_is_damaged_is_as_good_as_none(file: PersonalFile, tmp_path: Path, caplog) -> None:
    file.write(RECORD, SPECS, VALUES)
    line = (tmp_path / "personal").read_bytes().partition(b"\n")[0]
    tree = json.loads(line)
    for damaged in (
        b"",
        b"[]",
        line[:-1],
        json.dumps(tree | {"kept": 1}).encode(),
        json.dumps(tree | {"x": 1}).encode(),
    ):
        (tmp_path / "personal").write_bytes(damaged + b"\n")
        assert file.record() is None
    assert "the shared model is used" in caplog.text


def test_a_file_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "personal").mkdir()
    file = PersonalFile(tmp_path / "personal")
    with pytest.raises(StorageError, match="cannot be read"):
        file.record()
    with pytest.raises(StorageError, match="cannot write"):
        file.write(RECORD, SPECS, VALUES)
    with pytest.raises(StorageError, match="cannot remove"):
        file.clear()
    with pytest.raises(WeightsError, match="not finite"):
        PersonalFile(tmp_path / "other").write(RECORD, SPECS, VALUES * np.float32("nan"))
    assert not (tmp_path / "other").exists()
