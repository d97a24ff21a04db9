"""What is exported of a Keras model: its functional form, the weights that train, and what stands in the way."""

from fieldfare.converters.models._checks import describe, flat_layers, model_problems, refusal
from fieldfare.converters.models._functional import (
    CALL_ERRORS,
    call_reason,
    functional_form,
    input_names,
    output_names,
    packed_inputs,
    unique_names,
)
from fieldfare.converters.models._lora import Adapter
from fieldfare.converters.models._overrides import overridden
from fieldfare.converters.models._selection import Selection, Weight, selected, trainable_rules

__all__ = [
    "CALL_ERRORS",
    "Adapter",
    "Selection",
    "Weight",
    "call_reason",
    "describe",
    "flat_layers",
    "functional_form",
    "input_names",
    "model_problems",
    "output_names",
    "overridden",
    "packed_inputs",
    "refusal",
    "selected",
    "trainable_rules",
    "unique_names",
]
