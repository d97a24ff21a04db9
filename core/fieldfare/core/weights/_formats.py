"""The weights in the formats of other tools: safetensors and NumPy archives, by the weights' names."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, WeightsError
from fieldfare.core.weights._file import MAGIC, pack_weights, unpack_weights
from fieldfare.core.weights._spec import TensorSpec
from fieldfare.core.weights._vector import join_tensors, split_vector

FORMATS = (".safetensors", ".npz", ".weights")
"""Endings of the files that `weights_to_bytes` makes; ".weights" is Fieldfare's own."""

_ZIP = b"PK"


def check_format(ending: str) -> None:
    """Notice before the work that a file could not be made.

    Raises:
        ConfigError: the ending is none of `FORMATS`.
    """
    if ending not in FORMATS:
        raise ConfigError(f"weights are files that end in {', '.join(FORMATS)}, not in {ending!r}")


def weights_to_bytes(ending: str, specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> bytes:
    """The content of a file with the weights.

    Args:
        ending: one of `FORMATS`; ".safetensors" needs the package safetensors.
        specs: in the plan's order.
        vector: `(total,)` float32.

    Raises:
        ConfigError: another ending.
        WeightsError: a vector of another length.
    """
    check_format(ending)
    if ending == ".weights":
        return pack_weights(specs, vector)
    tensors = {name: np.array(one, np.float32, order="C") for name, one in split_vector(specs, vector).items()}
    if ending == ".npz":
        return _npz(tensors)
    from safetensors.numpy import save

    return bytes(save(tensors, metadata={"format": "np"}))


def weights_from_bytes(specs: Sequence[TensorSpec], content: bytes) -> NDArray[np.float32]:
    """Read the weights that `specs` name; the content tells the format.

    Returns:
        `(total,)` float32, finite.

    Raises:
        WeightsError: no such file, a damaged one, or tensors that do not fit the specs.
    """
    if content.startswith(MAGIC):
        found, own = unpack_weights(content)
        if found != tuple(specs):
            raise WeightsError("the weights are those of another model")
        return own
    vector = join_tensors(specs, _from_npz(content) if content.startswith(_ZIP) else _from_safetensors(content))
    if not np.isfinite(vector).all():
        raise WeightsError("the file holds values that are not finite")
    return vector


def _npz(tensors: dict[str, NDArray[np.float32]]) -> bytes:
    # Written by hand: numpy.savez takes names as keyword arguments, and "file" is one that it wants for itself.
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, tensor in tensors.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, tensor, allow_pickle=False)
    return archive.getvalue()


def _from_npz(content: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        # Safe: these are what NumPy raises on archives that are damaged or hold something else.
        raise WeightsError("no NumPy archive, or a damaged one") from error


def _from_safetensors(content: bytes) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: dict[str, NDArray[Any]] = load(content)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"no safetensors file, or a damaged one: {error}") from error
    return tensors
