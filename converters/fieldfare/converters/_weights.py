"""The flat vector of weights to and from Keras, safetensors and NumPy files, by the weights' names."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._atomic import check_writable, write_atomically
from fieldfare.core.errors import NotFoundError, WeightsError
from fieldfare.core.plans import Manifest
from fieldfare.core.weights import TensorSpec, join_tensors, split_vector


def load_weights_into_keras(model: Any, manifest: Manifest, vector: NDArray[np.float32]) -> None:
    """Set a Keras model's trainable weights; changes nothing if they do not fit.

    Args:
        model: the model that the plan was exported from, or one built by the same code.
        manifest: the plan's.
        vector: `(total,)` float32, in the manifest's order.

    Raises:
        WeightsError: other names or shapes than the manifest's, or a vector of another length.
    """
    wanted = manifest.weight_specs
    mine = [(tuple(one.shape), _kind(one.path)) for one in model.trainable_variables]
    if mine != [(spec.shape, _kind(spec.name)) for spec in wanted]:
        raise WeightsError(
            f"the Keras model's {len(mine)} trainable weights are not the plan's {len(wanted)}: "
            "use the model that the plan was exported from, with the same layers frozen"
        )
    tensors = split_vector(wanted, vector)
    for variable, spec in zip(model.trainable_variables, wanted, strict=True):
        variable.assign(tensors[spec.name])


def _kind(path: str) -> str:
    """Last part of a path, uncounted ("kernel"): Keras counts layers anew in every process, so names prove nothing."""
    return re.sub(r"_\d+$", "", path.rpartition("/")[2])


def save_safetensors(path: str | Path, specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> None:
    """Write the weights by name as a safetensors file, whole or not at all.

    Raises:
        StorageError: `path` cannot be written.
        WeightsError: a vector of another length.
    """
    from safetensors.numpy import save

    _write(path, save(_contiguous(specs, vector), metadata={"format": "np"}))


def load_safetensors(path: str | Path, specs: Sequence[TensorSpec]) -> NDArray[np.float32]:
    """Read the weights that `specs` name from a safetensors file: `(total,)` float32.

    Raises:
        NotFoundError: there is no such file.
        WeightsError: no safetensors file, or tensors that do not fit the specs.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = _read(path)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} is no safetensors file, or a damaged one: {error}") from error
    return _joined(path, specs, tensors)


def save_npz(path: str | Path, specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> None:
    """Write the weights by name as a NumPy archive, whole or not at all.

    Raises:
        StorageError: `path` cannot be written.
        WeightsError: a vector of another length.
    """
    # Written by hand: numpy.savez takes names as keyword arguments, and "file" is one that it wants for itself.
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, tensor in _contiguous(specs, vector).items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, tensor, allow_pickle=False)
    _write(path, archive.getvalue())


def load_npz(path: str | Path, specs: Sequence[TensorSpec]) -> NDArray[np.float32]:
    """Read the weights that `specs` name from a NumPy archive: `(total,)` float32.

    Raises:
        NotFoundError: there is no such file.
        WeightsError: no NumPy archive, or tensors that do not fit the specs.
    """
    content = _read(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            tensors = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        # Safe: these are what NumPy raises on files that are no archives; a lone .npy file is no context manager.
        raise WeightsError(f"{path} is no NumPy archive, or a damaged one") from error
    return _joined(path, specs, tensors)


def _contiguous(specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return {name: np.array(tensor, np.float32, order="C") for name, tensor in split_vector(specs, vector).items()}


def _joined(path: str | Path, specs: Sequence[TensorSpec], tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    try:
        vector = join_tensors(specs, tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if not np.isfinite(vector).all():
        raise WeightsError(f"{path}: holds values that are not finite")
    return vector


def _write(path: str | Path, content: bytes) -> None:
    check_writable(Path(path))
    write_atomically(Path(path), content)


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error
