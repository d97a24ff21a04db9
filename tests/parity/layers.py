"""All rows of keras.layers, and which of its names are refused or compute nothing."""

import keras

from fieldfare.converters.models import refusal
from tests.parity import (
    activations,
    layers_convolution,
    layers_core,
    layers_normalization,
    layers_random,
    layers_recurrent,
    layers_resizing,
    layers_structure,
)
from tests.parity.rows import Section


def _refused() -> dict[str, str]:
    """Public name to the reason, for every class of keras.layers that the exporter refuses."""
    kinds = {name: kind for name, kind in vars(keras.layers).items() if isinstance(kind, type)}
    return {name: reason for name, kind in kinds.items() if (reason := refusal(kind)) is not None}


SECTION = Section(
    title="Layers",
    module=keras.layers,
    rows=(
        *layers_core.ROWS,
        *activations.LAYERS,
        *layers_convolution.ROWS,
        *layers_resizing.ROWS,
        *layers_normalization.ROWS,
        *layers_recurrent.ROWS,
        *layers_random.ROWS,
        *layers_structure.ROWS,
    ),
    refused=_refused(),
    helpers=frozenset({"InputSpec", "Layer", "Wrapper", "deserialize", "serialize"}),
    intro=(
        "Any of them may be inside another model, called twice, or frozen. Recurrent layers unroll by themselves. "
        "`data_format='channels_first'`, `stateful=True` and compute types other than float32 are refused."
    ),
)
