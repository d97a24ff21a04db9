"""Weights files, atomic writes, names; and that the package is light to import."""

import subprocess
import sys

import numpy as np
import pytest

from fieldfare.converters import load_npz, load_safetensors, save_npz, save_safetensors
from fieldfare.converters._atomic import check_writable, write_atomically
from fieldfare.core.errors import NotFoundError, StorageError, WeightsError
from fieldfare.core.weights import TensorSpec

SPECS = (
    TensorSpec("dense/kernel", "float32", (2, 3)),
    TensorSpec("dense/bias", "float32", (3,)),
    TensorSpec("file", "float32", ()),
)
VECTOR = np.arange(10, dtype=np.float32) / 7
KINDS = [(save_safetensors, load_safetensors), (save_npz, load_npz)]


@pytest.mark.parametrize(("save", "load"), KINDS)
def test_weights_come_back_bit_for_bit(save, load, tmp_path):
    path = tmp_path / "weights"
    save(path, SPECS, VECTOR)
    np.testing.assert_array_equal(load(path, SPECS), VECTOR)
    assert list(tmp_path.iterdir()) == [path]


def test_numpy_reads_the_archive_by_name(tmp_path):
    save_npz(tmp_path / "weights.npz", SPECS, VECTOR)
    with np.load(tmp_path / "weights.npz") as archive:
        np.testing.assert_array_equal(archive["dense/kernel"], VECTOR[:6].reshape(2, 3))


@pytest.mark.parametrize(("save", "load"), KINDS)
def test_weights_that_do_not_fit_are_refused(save, load, tmp_path):
    path = tmp_path / "weights"
    with pytest.raises(WeightsError, match="expected 10"):
        save(path, SPECS, VECTOR[:-1])
    assert not path.exists()
    save(path, SPECS[:2], VECTOR[:9])
    with pytest.raises(WeightsError, match=r"weights: tensor 'file' is missing"):
        load(path, SPECS)
    save(path, SPECS, np.full(10, np.nan, np.float32))
    with pytest.raises(WeightsError, match="not finite"):
        load(path, SPECS)


@pytest.mark.parametrize(("save", "load"), KINDS)
def test_damaged_and_missing_files_get_a_clear_error(save, load, tmp_path):
    path = tmp_path / "weights"
    with pytest.raises(NotFoundError, match="weights"):
        load(path, SPECS)
    save(path, SPECS, VECTOR)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsError, match="damaged"):
        load(path, SPECS)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged"):
        load(path, SPECS)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    target = tmp_path / "occupied"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(StorageError, match="occupied"):
        write_atomically(target, b"content")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(StorageError, match="no folder"):
        check_writable(tmp_path / "nowhere" / "file")


def test_the_commands_are_configured_without_tensorflow():
    code = (
        "import argparse, sys\n"
        "import fieldfare.converters.commands.export as export, fieldfare.converters.commands.convert as convert\n"
        "for one in (export, convert): one.COMMAND.configure(argparse.ArgumentParser())\n"
        "import fieldfare.converters; dir(fieldfare.converters)\n"
        "print(sorted({'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there():
    import fieldfare.converters as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError):
        _ = package.nothing_of_the_kind


def test_weight_names_are_unique_and_keyed_in_order():
    keras = pytest.importorskip("keras")
    from fieldfare.converters._names import weight_tensors

    inner = keras.Input((2,))
    twins = [keras.layers.Dense(2, name="twin", use_bias=False) for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((2,)), *(keras.Model(inner, twin(inner), name=f"part{index}") for index, twin in enumerate(twins))]
    )
    tensors = weight_tensors(model)
    assert [one.key for one in tensors] == ["weight_0", "weight_1"]
    assert len({one.spec.name for one in tensors}) == 2
    assert [one.spec.shape for one in tensors] == [(2, 2), (2, 2)]
