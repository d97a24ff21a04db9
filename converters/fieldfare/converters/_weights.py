"""The flat vector of weights into a Keras model."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._vector import trained_tensors
from fieldfare.converters.models import functional_form, selected
from fieldfare.core.errors import ModelError, WeightsError
from fieldfare.core.plans import Manifest


def load_weights_into_keras(model: Any, manifest: Manifest, vector: NDArray[np.float32], *, inputs: Any = None) -> None:
    """Set a Keras model's weights to trained ones; changes nothing if they do not fit.

    Low-rank adapters are added to the kernels that they adapt. The model then is another one than that which the
    adapters fit, so that a second call with them is refused.

    Args:
        model: the model that the plan was exported from, or one built by the same code with the same frozen weights.
        manifest: the plan's.
        vector: `(total,)` float32, in the manifest's order.
        inputs: as given to `export_keras`.

    Raises:
        ModelError: a model that has no functional form.
        WeightsError: other shapes or kinds of weights than the manifest's, other frozen weights than those of the
            export, or a vector of another length or with values that are not finite.
    """
    problems: list[str] = []
    functional = functional_form(model, inputs, problems)
    if functional is None:
        raise ModelError("the weights cannot be loaded:", tuple(problems))
    wanted = manifest.weight_specs
    with selected(functional, manifest.trainable) as selection:
        mine = [(tuple(one.variable.shape), _kind(one.name)) for one in selection.weights]
        if mine != [(spec.shape, _kind(spec.name)) for spec in wanted]:
            raise WeightsError(
                f"the Keras model's {len(mine)} trainable weights are not the plan's {len(wanted)}: "
                "use the model that the plan was exported from, with the same layers frozen"
            )
        if selection.frozen_sha256 != manifest.frozen_sha256:
            raise WeightsError(
                "the Keras model's frozen weights are not those that the plan was exported with: "
                "use that model, as it was then"
            )
        tensors = trained_tensors(manifest, vector)
        for weight, spec in zip(selection.weights, wanted, strict=True):
            weight.variable.assign(tensors[spec.name])
        for one in selection.adapters:
            one.merge()


def _kind(path: str) -> str:
    """Last part of a path, uncounted ("kernel"): Keras counts layers anew in every process, so names prove nothing."""
    return re.sub(r"_\d+$", "", path.rpartition("/")[2])
