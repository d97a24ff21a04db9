"""The flat vector of weights into a Keras model."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import WeightsError
from fieldfare.core.plans import Manifest
from fieldfare.core.weights import split_vector


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
