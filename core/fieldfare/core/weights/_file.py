"""The weights file: "FFWEIGHT", header length (uint32, little-endian), `WeightsHeader`, raw float32 values."""

import hashlib
import struct
from collections.abc import Sequence

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from fieldfare.core.errors import WeightsError
from fieldfare.core.weights._spec import TensorSpec, specs_from_proto, specs_to_proto, total_size
from fieldfare.protos.v1 import tensors_pb2

MAGIC = b"FFWEIGHT"
_PREFIX = struct.Struct("<8sI")
_MAX_HEADER = 16 * 2**20


def sha256(data: bytes | bytearray | memoryview) -> bytes:
    """SHA-256 of the whole content, 32 bytes: an artifact's name."""
    return hashlib.sha256(data).digest()


def pack_weights(specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> bytes:
    """The bytes of a weights file; equal weights give equal bytes.

    Args:
        specs: float32 specs in the plan's order.
        vector: `(total_size(specs),)` float32.

    Raises:
        WeightsError: a dtype other than float32, a vector of another length, values that are not finite.
    """
    if any(spec.dtype != "float32" for spec in specs):
        raise WeightsError("a weights file holds float32 tensors only")
    if vector.shape != (total_size(specs),):
        raise WeightsError(f"expected {total_size(specs)} weights, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise WeightsError("the weights hold values that are not finite: the training diverged")
    header = tensors_pb2.WeightsHeader(tensors=specs_to_proto(specs)).SerializeToString(deterministic=True)
    return b"".join((_PREFIX.pack(MAGIC, len(header)), header, vector.astype("<f4", copy=False).tobytes()))


def unpack_weights(data: bytes) -> tuple[tuple[TensorSpec, ...], NDArray[np.float32]]:
    """Read a weights file. The vector is a read-only view of `data`.

    Raises:
        WeightsError: not a weights file, damaged, cut short, or with values that are not finite.
    """
    if len(data) < _PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise WeightsError("not a weights file: it does not begin with FFWEIGHT")
    _, header_length = _PREFIX.unpack_from(data)
    start = _PREFIX.size + header_length
    if header_length > _MAX_HEADER or start > len(data):
        raise WeightsError("damaged weights file: its header is cut short")
    try:
        header = tensors_pb2.WeightsHeader.FromString(data[_PREFIX.size : start])
    except DecodeError as error:
        raise WeightsError("damaged weights file: its header cannot be read") from error
    specs = specs_from_proto(header.tensors)
    if any(spec.dtype != "float32" for spec in specs):
        raise WeightsError("a weights file holds float32 tensors only")
    if len(data) - start != 4 * total_size(specs):
        raise WeightsError(
            f"damaged weights file: {len(data) - start} bytes of values, {4 * total_size(specs)} expected"
        )
    vector = np.frombuffer(data, "<f4", offset=start)
    if not np.isfinite(vector).all():
        raise WeightsError("the weights file holds values that are not finite")
    return specs, vector
