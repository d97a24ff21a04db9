"""What cannot be exported, found before anything is traced: every offending layer and setting, not just the first."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import keras

_INPUT_DTYPES = {"float32", "int8", "uint8", "int16", "int32", "int64", "bool"}
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # TensorFlow's own, of a scope
_SHAPE_HELP = "give Input(shape=...) a number for every axis (pad or crop the examples to it)"


def flat_layers(model: Any) -> list[Any]:
    """All layers inside `model`, however deep: nested models, wrapped layers, cells."""
    # The only listing that also goes into Bidirectional, TimeDistributed and MultiHeadAttention.
    return list(model._flatten_layers(include_self=False))


def describe(layer: Any) -> str:
    """How a layer is named in messages."""
    return f"layer {layer.name!r} ({type(layer).__name__})"


def model_problems(model: Any) -> list[str]:
    """Sentences for everything about a model that cannot be exported, each with a way round.

    Args:
        model: in functional form.
    """
    problems = list(_tensor_problems(model))
    layers = flat_layers(model)
    # A refused layer stands for those inside of it.
    inside = {id(inner) for layer in layers if _unsupported(layer) for inner in flat_layers(layer)}
    for layer in (one for one in layers if id(one) not in inside):
        problems.extend(f"{describe(layer)} {problem}" for check in _LAYER_CHECKS if (problem := check(layer)))
    return problems


def _tensor_problems(model: Any) -> Iterator[str]:
    for tensor in model.inputs:
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if dtype not in _INPUT_DTYPES:
            remedy = (
                "turn text into integers before the model" if dtype == "string" else "use float32 or an integer type"
            )
            yield f"input {tensor.name!r} has dtype {dtype}: {remedy}"
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            yield f"input {tensor.name!r} is sparse or ragged: use a dense input of fixed shape"
        if tensor.shape[0] is not None:
            yield f"input {tensor.name!r} has the fixed batch size {tensor.shape[0]}: leave the batch to the export"
        if None in tensor.shape[1:]:
            yield f"input {tensor.name!r} has the dynamic shape {tuple(tensor.shape)}: {_SHAPE_HELP}"
    for tensor in model.outputs:
        if None in tensor.shape[1:]:
            yield f"output {tensor.name!r} has the dynamic shape {tuple(tensor.shape)}: {_SHAPE_HELP}"


def _stateful(layer: Any) -> str | None:
    if getattr(layer, "stateful", False):
        return "keeps state from one batch to the next, which belongs to no example: pass stateful=False"
    return None


def _channels_first(layer: Any) -> str | None:
    if getattr(layer, "data_format", None) == "channels_first":
        return "has data_format='channels_first': use 'channels_last'"
    return None


def _activity(layer: Any) -> str | None:
    regularizer = getattr(layer, "activity_regularizer", None)
    known = keras.regularizers.L1 | keras.regularizers.L2 | keras.regularizers.L1L2
    if regularizer is None or isinstance(regularizer, known):
        return None
    return (
        f"regularises its activity with {type(regularizer).__name__}, which the padding of a short batch would enter: "
        "use L1, L2 or L1L2"
    )


def _precision(layer: Any) -> str | None:
    policy = getattr(layer, "dtype_policy", None)
    if policy is not None and policy.compute_dtype not in (None, "float32") and layer.weights:
        return f"computes in {policy.compute_dtype}: use the dtype policy 'float32'"
    return None


def _aspect_ratio(layer: Any) -> str | None:
    for setting, layers in (("crop_to_aspect_ratio", "Cropping2D"), ("pad_to_aspect_ratio", "ZeroPadding2D")):
        if isinstance(layer, keras.layers.Resizing) and getattr(layer, setting):
            return f"has {setting}=True, whose bounds are computed while it runs: put {layers} in front of it instead"
    return None


def _name(layer: Any) -> str | None:
    own = (*layer._trainable_variables, *layer._non_trainable_variables)
    if all(_NAME.fullmatch(one.path) for one in own):
        return None
    return "has a name that TensorFlow cannot save: pass name=... of ASCII letters and digits, a letter first"


def _unsupported(layer: Any) -> str | None:
    return refusal(type(layer))


def refusal(kind: type) -> str | None:
    """Why layers of this class are refused, and what to do instead; None where they are not."""
    for one in kind.__mro__:
        if one.__name__ in _FIXED_IMAGE_LAYERS:
            return None
        if reason := REFUSED_LAYERS.get(one.__name__):
            return reason
    return None


_BEFORE = "works on examples before they are fed: do this in the application, and export the model without it"
_AUGMENTS = "varies examples at random: do this where the application feeds them, and export the model without it"
_FOREIGN = "runs another framework, which is not part of a Keras graph: rebuild it of Keras layers"

REFUSED_LAYERS: dict[str, str] = {
    "AugMix": _AUGMENTS,
    "BaseImagePreprocessingLayer": _AUGMENTS,
    "Discretization": _BEFORE,
    "FlaxLayer": _FOREIGN,
    "HashedCrossing": _BEFORE,
    "Hashing": _BEFORE,
    "IndexLookup": _BEFORE,
    "JaxLayer": _FOREIGN,
    "MelSpectrogram": _BEFORE,
    "Pipeline": _BEFORE,
    "STFTSpectrogram": _BEFORE,
    "SpectralNormalization": (
        "divides its kernel by a norm in every step, with branches that TFLite cannot train through: "
        "use kernel_constraint=keras.constraints.UnitNorm()"
    ),
    "TFSMLayer": _FOREIGN,
    "TextVectorization": _BEFORE,
    "TorchModuleWrapper": _FOREIGN,
}
"""Name of a Keras layer's class, or of a class that it inherits from, to why it is refused and what to do instead."""

_FIXED_IMAGE_LAYERS = {"CenterCrop", "Resizing"}
"""Heirs of `BaseImagePreprocessingLayer` that do the same to every image."""

_LAYER_CHECKS: tuple[Callable[[Any], str | None], ...] = (
    _activity,
    _aspect_ratio,
    _channels_first,
    _name,
    _precision,
    _stateful,
    _unsupported,
)
