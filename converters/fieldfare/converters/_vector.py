"""A vector of trained weights, checked where it comes in."""

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import WeightsError
from fieldfare.core.plans import Manifest
from fieldfare.core.weights import split_vector


def trained_tensors(manifest: Manifest, vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The weights by name, float32.

    Args:
        manifest: the plan's.
        vector: `(total,)` weights, in the manifest's order.

    Raises:
        WeightsError: a vector of another length, or one that is not finite.
    """
    tensors = split_vector(manifest.weight_specs, vector)
    if not np.isfinite(vector).all():
        raise WeightsError("the weights hold values that are not finite: the training diverged")
    return {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
