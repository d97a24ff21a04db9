"""Weights and plans as files, written atomically."""

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import ConfigError, StorageError, WeightsError
from fieldfare.core.weights import TensorSpec, join_tensors, split_vector, unpack_weights

_SAFETENSORS = ".safetensors"
_RAW = ".weights"


def read_weights(path: Path, specs: Sequence[TensorSpec]) -> NDArray[np.float32]:
    """Weights in the plan's order, `(total,)` float32.

    Raises:
        WeightsError: a file that cannot be read, or weights that are not the plan's.
        ConfigError: neither .safetensors nor .weights.
    """
    _check_suffix(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if path.suffix == _RAW:
        found, vector = unpack_weights(content)
        if found != tuple(specs):
            raise WeightsError(f"{path} does not have the plan's weights")
        return vector
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return join_tensors(specs, load(content))
    except SafetensorError as error:
        raise WeightsError(f"{path} is no safetensors file: {error}") from error


def write_weights(path: Path, content: bytes) -> None:
    """Write a weights file as it came (.weights), or as safetensors with the plan's names and shapes.

    Raises:
        ConfigError: neither .safetensors nor .weights.
        StorageError: the file cannot be written.
    """
    _check_suffix(path)
    if path.suffix == _SAFETENSORS:
        from safetensors.numpy import save

        specs, vector = unpack_weights(content)
        content = save({name: tensor.copy() for name, tensor in split_vector(specs, vector).items()})
    write_file(path, content)


def write_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _check_suffix(path: Path) -> None:
    if path.suffix not in {_SAFETENSORS, _RAW}:
        raise ConfigError(f"weights are files that end in {_SAFETENSORS} or {_RAW}, not {path.name!r}")
