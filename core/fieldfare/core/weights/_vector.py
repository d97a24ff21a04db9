"""All trainable weights as one flat float32 vector: what is averaged, encoded and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import WeightsError
from fieldfare.core.weights._spec import TensorSpec, total_size


def join_tensors(specs: Sequence[TensorSpec], tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Concatenate the tensors in the order of `specs` into a new `(total_size,)` float32 vector.

    Raises:
        WeightsError: a tensor that is missing, superfluous, or of another shape or dtype.
    """
    unknown = sorted(set(tensors) - {spec.name for spec in specs})
    if unknown:
        raise WeightsError(f"tensors that the plan does not have: {', '.join(unknown[:5])}")
    vector = np.empty(total_size(specs), np.float32)
    start = 0
    for spec in specs:
        if spec.name not in tensors:
            raise WeightsError(f"tensor {spec.name!r} is missing")
        tensor = tensors[spec.name]
        if tensor.shape != spec.shape or tensor.dtype != np.float32:
            raise WeightsError(
                f"tensor {spec.name!r}: expected float32 {spec.shape}, got {tensor.dtype} {tensor.shape}"
            )
        vector[start : start + spec.size] = tensor.ravel()
        start += spec.size
    return vector


def split_vector(specs: Sequence[TensorSpec], vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The inverse of `join_tensors`: views into `vector`, by name, in the order of `specs`.

    Raises:
        WeightsError: a vector of another length.
    """
    if vector.shape != (total_size(specs),):
        raise WeightsError(f"expected {total_size(specs)} weights, got shape {vector.shape}")
    tensors: dict[str, NDArray[np.float32]] = {}
    start = 0
    for spec in specs:
        tensors[spec.name] = vector[start : start + spec.size].reshape(spec.shape)
        start += spec.size
    return tensors
