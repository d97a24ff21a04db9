"""Weights files in other tools' formats, and files that are there whole or not at all."""

import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, DataError, NotFoundError, StorageError, WeightsError
from fieldfare.core.files import (
    OWNER_ONLY,
    check_writable,
    load_npz,
    load_weights,
    remove_durably,
    save_weights,
    write_atomically,
)
from fieldfare.core.weights import TensorSpec, weights_to_bytes

SPECS = (
    TensorSpec("dense/kernel", "float32", (2, 3)),
    TensorSpec("dense/bias", "float32", (3,)),
    TensorSpec("file", "float32", ()),
)
VECTOR = np.arange(10, dtype=np.float32) / 7
ENDINGS = pytest.mark.parametrize("ending", [".safetensors", ".npz", ".weights"])


@ENDINGS
def test_weights_come_back_bit_for_bit(ending, tmp_path):
    path = tmp_path / f"weights{ending}"
    save_weights(path, SPECS, VECTOR)
    np.testing.assert_array_equal(load_weights(path, SPECS), VECTOR)
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_tells_the_format_not_the_name(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(weights_to_bytes(".npz", SPECS, VECTOR))
    np.testing.assert_array_equal(load_weights(path, SPECS), VECTOR)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.safetensors, \.npz, \.weights, not in '\.h5'"):
        save_weights(tmp_path / "weights.h5", SPECS, VECTOR)


def test_numpy_reads_the_archive_by_name(tmp_path):
    save_weights(tmp_path / "weights.npz", SPECS, VECTOR)
    with np.load(tmp_path / "weights.npz") as archive:
        np.testing.assert_array_equal(archive["dense/kernel"], VECTOR[:6].reshape(2, 3))


@ENDINGS
def test_weights_that_do_not_fit_are_refused(ending, tmp_path):
    path = tmp_path / f"weights{ending}"
    with pytest.raises(WeightsError, match="expected 10"):
        save_weights(path, SPECS, VECTOR[:-1])
    assert not path.exists()
    save_weights(path, SPECS[:2], VECTOR[:9])
    with pytest.raises(WeightsError, match=rf"weights\{ending}: (tensor 'file' is missing|.* those of another model)"):
        load_weights(path, SPECS)


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
def test_values_that_are_not_finite_are_refused(ending, tmp_path):
    path = tmp_path / f"weights{ending}"
    save_weights(path, SPECS, np.full(10, np.nan, np.float32))
    with pytest.raises(WeightsError, match="not finite"):
        load_weights(path, SPECS)


@ENDINGS
def test_damaged_and_missing_files_get_a_clear_error(ending, tmp_path):
    path = tmp_path / f"weights{ending}"
    with pytest.raises(NotFoundError, match="weights"):
        load_weights(path, SPECS)
    save_weights(path, SPECS, VECTOR)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, SPECS)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, SPECS)


def test_parts_are_written_in_order_and_replace_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_atomically(path, (b"new ", memoryview(b"content")))
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_is_the_callers_less_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "open", b"")
        write_atomically(tmp_path / "own", b"", mode=OWNER_ONLY)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"open": 0o640, "own": 0o600}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    target = tmp_path / "occupied"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(StorageError, match=r"cannot write .*occupied"):
        write_atomically(target, b"content")
    assert list(tmp_path.iterdir()) == [target]


def test_a_content_that_breaks_off_leaves_the_old_file(tmp_path):
    def parts():
        yield b"half"
        raise OSError(28, "No space left on device")

    def wrong_parts():
        yield b"half"
        raise DataError("the rest cannot be read")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="No space left on device"):
        write_atomically(path, parts())
    with pytest.raises(DataError, match="the rest"):
        write_atomically(path, wrong_parts())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_removing_is_done_once_and_may_be_asked_twice(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    remove_durably(path)
    assert not path.exists()
    remove_durably(path)
    with pytest.raises(StorageError, match="cannot remove"):
        remove_durably(tmp_path)


def test_a_place_that_cannot_be_written_is_noticed_early(tmp_path, monkeypatch):
    check_writable(tmp_path / "file")
    with pytest.raises(StorageError, match="no folder"):
        check_writable(tmp_path / "nowhere" / "file")
    with pytest.raises(StorageError, match="it is a folder"):
        check_writable(tmp_path)
    # root may write everywhere, so the system's answer is given here
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StorageError, match="no permission"):
        check_writable(tmp_path / "file")


def test_arrays_of_an_archive_are_read_by_name_and_within_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, small=np.arange(3, dtype=np.int32), large=np.zeros(1_000_000))
    assert {name: array.tolist() for name, array in load_npz(path, {"small", "none"}, most_bytes=1000).items()} == {
        "small": [0, 1, 2]
    }
    assert set(load_npz(path)) == {"small", "large"}
    with pytest.raises(DataError, match=r"a\.npz: its arrays come to 8,000,1\d\d bytes, and at most 1,000 are allowed"):
        load_npz(path, {"large"}, most_bytes=1000)


def test_an_array_that_claims_more_than_any_memory_holds_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**55,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match="damaged"):
        load_npz(path)


def test_an_archive_that_is_encrypted_or_compressed_in_another_way_is_damaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    content = (tmp_path / "a.npz").read_bytes()
    for at, value in ((8, 1), (10, 99)):  # flags and method, in the central directory
        damaged = bytearray(content)
        damaged[content.index(b"PK\x01\x02") + at] = value
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            load_npz(tmp_path / "a.npz")
