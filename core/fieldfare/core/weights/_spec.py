"""Name, dtype and shape of a tensor, checked where it comes in."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fieldfare.core.errors import WeightsError
from fieldfare.protos.v1 import tensors_pb2

MAX_TENSORS = 10_000
MAX_RANK = 8
MAX_BYTES = 8 * 2**30
_MAX_NAME = 256

_DTYPES = {
    tensors_pb2.DTYPE_FLOAT32: "float32",
    tensors_pb2.DTYPE_FLOAT16: "float16",
    tensors_pb2.DTYPE_INT8: "int8",
    tensors_pb2.DTYPE_UINT8: "uint8",
    tensors_pb2.DTYPE_INT16: "int16",
    tensors_pb2.DTYPE_INT32: "int32",
    tensors_pb2.DTYPE_INT64: "int64",
    tensors_pb2.DTYPE_BOOL: "bool",
}
_CODES = {name: code for code, name in _DTYPES.items()}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor without its values.

    Attributes:
        name: unique within its list.
        dtype: NumPy name, one of float32, float16, int8, uint8, int16, int32, int64, bool.
        shape: every dimension at least 1; `()` for a scalar.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _MAX_NAME:
            raise WeightsError(f"a tensor's name needs 1 to {_MAX_NAME} characters, got {len(self.name)}")
        if self.dtype not in _CODES:
            raise WeightsError(f"tensor {self.name!r}: dtype {self.dtype!r} is not one of {', '.join(sorted(_CODES))}")
        if len(self.shape) > MAX_RANK:
            raise WeightsError(f"tensor {self.name!r}: has {len(self.shape)} axes, at most {MAX_RANK} are possible")
        if any(size < 1 for size in self.shape):
            raise WeightsError(f"tensor {self.name!r}: shape {self.shape} needs axes that are each >= 1")

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the raw little-endian form."""
        return self.size * np.dtype(self.dtype).itemsize


def total_size(specs: Sequence[TensorSpec]) -> int:
    """Number of elements over all tensors."""
    return sum(spec.size for spec in specs)


def specs_to_proto(specs: Iterable[TensorSpec]) -> list[tensors_pb2.TensorSpec]:
    """The wire form, in the same order."""
    return [tensors_pb2.TensorSpec(name=one.name, dtype=_CODES[one.dtype], shape=one.shape) for one in specs]


def specs_from_proto(protos: Iterable[tensors_pb2.TensorSpec]) -> tuple[TensorSpec, ...]:
    """Check and read specs that a peer or a file holds.

    Raises:
        WeightsError: an unknown dtype, a bad shape, a name that stands twice, too many tensors or bytes.
    """
    specs: list[TensorSpec] = []
    names: set[str] = set()
    nbytes = 0
    for proto in protos:
        if proto.dtype not in _DTYPES:
            raise WeightsError(
                f"tensor {proto.name[:_MAX_NAME]!r}: dtype code {proto.dtype} is not known to this version"
            )
        spec = TensorSpec(proto.name, _DTYPES[proto.dtype], tuple(proto.shape))
        nbytes += spec.nbytes
        if spec.name in names:
            raise WeightsError(f"tensor {spec.name!r} stands twice")
        if len(specs) >= MAX_TENSORS or nbytes > MAX_BYTES:
            raise WeightsError(f"more than {MAX_TENSORS} tensors or {MAX_BYTES} bytes")
        names.add(spec.name)
        specs.append(spec)
    return tuple(specs)
