"""The registry of encoding stages. Each stage is one small class with `apply` and `undo`."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import UpdateError
from fieldfare.protos.v1 import encoding_pb2

FLOAT32 = encoding_pb2.Encoding(stages=[encoding_pb2.EncodingStage(float32=encoding_pb2.Float32Stage())])
FLOAT16 = encoding_pb2.Encoding(stages=[encoding_pb2.EncodingStage(float16=encoding_pb2.Float16Stage())])


class _LastStage(Protocol):
    """A stage that says how numbers become bytes."""

    def nbytes(self, size: int) -> int: ...
    def apply(self, vector: NDArray[np.float32]) -> bytes | memoryview: ...
    def undo(self, payload: bytes | bytearray | memoryview, size: int) -> NDArray[np.float32]: ...


class _Float32:
    def nbytes(self, size: int) -> int:
        return 4 * size

    def apply(self, vector: NDArray[np.float32]) -> memoryview:
        return np.ascontiguousarray(vector, "<f4").view(np.uint8).data

    def undo(self, payload: bytes | bytearray | memoryview, size: int) -> NDArray[np.float32]:
        return np.frombuffer(payload, "<f4", count=size)


class _Float16:
    def nbytes(self, size: int) -> int:
        return 2 * size

    def apply(self, vector: NDArray[np.float32]) -> bytes:
        with np.errstate(over="ignore"):
            halves = vector.astype("<f2")
        if not np.isfinite(halves).all():
            raise UpdateError("encoding", "the update holds values beyond the range of float16 (65504); use float32")
        return halves.tobytes()

    def undo(self, payload: bytes | bytearray | memoryview, size: int) -> NDArray[np.float32]:
        return np.frombuffer(payload, "<f2", count=size).astype(np.float32)


_LAST_STAGES: dict[str, _LastStage] = {"float32": _Float32(), "float16": _Float16()}

KNOWN_STAGES = tuple(sorted(_LAST_STAGES))
"""Names of the stages that this version can apply and undo; a device offers them at check-in."""


def stage_names(encoding: encoding_pb2.Encoding) -> tuple[str, ...]:
    """Names of the stages in order; an empty encoding reads as `("float32",)`.

    Raises:
        UpdateError: a stage that this version does not know.
    """
    names: list[str] = []
    for stage in encoding.stages:
        name = stage.WhichOneof("stage")
        if name is None:
            raise UpdateError("encoding", "the encoding has a stage that this version does not know; upgrade Fieldfare")
        names.append(name)
    return tuple(names) or ("float32",)


def _last_stage(encoding: encoding_pb2.Encoding) -> _LastStage:
    names: Sequence[str] = stage_names(encoding)
    if len(names) != 1:
        raise UpdateError("encoding", f"stages {'+'.join(names)} do not go together: exactly one is expected")
    return _LAST_STAGES[names[0]]


def encoded_bytes(encoding: encoding_pb2.Encoding, size: int) -> int:
    """Length in bytes of an encoded vector of `size` values: known before a byte of it is read."""
    return _last_stage(encoding).nbytes(size)


def count_vectors(encoding: encoding_pb2.Encoding, nbytes: int, size: int) -> int:
    """How many vectors of `size` values, encoded one by one, a payload of `nbytes` bytes holds: 1, or 2 of SCAFFOLD.

    Raises:
        UpdateError: unknown stages; neither one nor two.
    """
    each = _last_stage(encoding).nbytes(size)
    for count in (1, 2):
        if 0 < nbytes == count * each:
            return count
    raise UpdateError("length", f"the update has {nbytes} bytes, which are neither one vector of {each} nor two")


def encode_update(encoding: encoding_pb2.Encoding, vector: NDArray[np.float32], *, parts: int = 1) -> bytes:
    """Encode an update for the wire.

    Args:
        encoding: the stages that the assignment asks for.
        vector: `(parts * n,)` float32, all finite.
        parts: vectors in it, which are encoded one by one.

    Raises:
        UpdateError: unknown or unfitting stages; values that are not finite or beyond the encoding's range.
    """
    if not np.isfinite(vector).all():
        raise UpdateError("non_finite", "the update holds NaN or infinite values")
    stage = _last_stage(encoding)
    return b"".join(stage.apply(one) for one in np.split(vector, parts))


def decode_update(
    encoding: encoding_pb2.Encoding,
    payload: bytes | bytearray | memoryview,
    size: int,
    *,
    max_abs_value: float,
    parts: int = 1,
) -> NDArray[np.float32]:
    """Decode and check an update that came in.

    Args:
        encoding: the stages that the report's header names.
        payload: all of its bytes.
        size: number of values that the plan's weights have.
        max_abs_value: largest magnitude allowed.
        parts: vectors in the payload, one after the other, each encoded by itself.

    Returns:
        `(parts * size,)` float32, finite, within the bound.

    Raises:
        UpdateError: unknown stages, a payload of another length, values that are not finite or too large.
    """
    stage = _last_stage(encoding)
    nbytes = stage.nbytes(size)
    if len(payload) != parts * nbytes:
        raise UpdateError("length", f"expected {parts * nbytes} bytes of update, got {len(payload)}")
    if parts == 1:
        vector = stage.undo(payload, size)
    else:
        pieces = memoryview(payload)
        vector = np.concatenate([stage.undo(pieces[at * nbytes : (at + 1) * nbytes], size) for at in range(parts)])
    # Safe: NaN fails the comparison, so one pass over min and max catches it together with the bound.
    low, high = float(vector.min(initial=0.0)), float(vector.max(initial=0.0))
    if not (-max_abs_value <= low and high <= max_abs_value):
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UpdateError("non_finite", "the update holds NaN or infinite values")
        raise UpdateError("too_large", f"the update holds values beyond {max_abs_value:g}")
    return vector
