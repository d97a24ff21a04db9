"""What cannot be exported, found before anything is traced: every offending layer and setting, not just the first."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

_INPUT_DTYPES = {"float32", "int8", "uint8", "int16", "int32", "int64", "bool"}
_SHAPE_HELP = "give Input(shape=...) a number for every axis (pad or crop the examples to it)"
_NO_FUNCTIONAL = "wrap a subclassed model: x = keras.Input(shape); keras.Model(x, model(x))"


def flat_layers(model: Any) -> list[Any]:
    """All layers inside `model`, however deep: nested models, wrapped layers, cells."""
    # The only listing that also goes into Bidirectional, TimeDistributed and MultiHeadAttention.
    return list(model._flatten_layers(include_self=False))


def describe(layer: Any) -> str:
    """How a layer is named in messages."""
    return f"layer {layer.name!r} ({type(layer).__name__})"


def model_problems(model: Any) -> list[str]:
    """Sentences for everything about the model itself that cannot be exported, each with a way round."""
    if not isinstance(model, keras.Model):
        return [f"{type(model).__name__} is no keras.Model"]
    if not model.built:
        return ["the model is not built: add keras.Input(shape=...) as its first layer, or call it on one example"]
    if getattr(model, "inputs", None) is None or getattr(model, "outputs", None) is None:
        return [f"the model does not know its inputs and outputs: {_NO_FUNCTIONAL}"]
    problems = [*_tensor_problems(model), *_weight_problems(model)]
    for layer in flat_layers(model):
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


def _weight_problems(model: Any) -> Iterator[str]:
    if not model.trainable_variables:
        yield "the model has no trainable weights: set trainable = True on the layers that devices shall train"
    for variable in model.trainable_variables:
        if keras.backend.standardize_dtype(variable.dtype) != "float32":
            yield f"weight {variable.path!r} has dtype {variable.dtype}: trainable weights must be float32"


def _batch_statistics(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
        return (
            "trains with the statistics of a batch, which the padding of a short batch would enter: "
            "freeze it (layer.trainable = False) or use LayerNormalization or GroupNormalization"
        )
    return None


def _rolled(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.RNN) and not layer.unroll:
        return "loops over time, and TFLite cannot train through its loop: pass unroll=True"
    return None


def _stateful(layer: Any) -> str | None:
    if getattr(layer, "stateful", False):
        return "keeps state from one batch to the next, which belongs to no example: pass stateful=False"
    return None


def _recurrent_dropout(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.RNN) and (
        getattr(layer, "dropout", None) or getattr(layer, "recurrent_dropout", None)
    ):
        return "has dropout inside its cell: set dropout and recurrent_dropout to 0 and add a Dropout layer"
    return None


def _channels_first(layer: Any) -> str | None:
    if getattr(layer, "data_format", None) == "channels_first":
        return "has data_format='channels_first': use 'channels_last'"
    return None


def _activity(layer: Any) -> str | None:
    if getattr(layer, "activity_regularizer", None) is not None:
        return "regularises its activity, which the padding of a short batch would enter: regularise the kernel instead"
    return None


def _precision(layer: Any) -> str | None:
    policy = getattr(layer, "dtype_policy", None)
    if policy is not None and policy.compute_dtype not in (None, "float32") and layer.weights:
        return f"computes in {policy.compute_dtype}: use the dtype policy 'float32'"
    return None


def _groups(layer: Any) -> str | None:
    if getattr(layer, "groups", 1) != 1 and "Conv" in type(layer).__name__:
        return "is a grouped convolution: split the channels and use one Conv layer for each group, or DepthwiseConv2D"
    return None


def _volumes(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.Conv3D | keras.layers.MaxPooling3D):
        return "works on volumes, for which TFLite has no builtins: use 2D layers over slices"
    return None


_LAYER_CHECKS: tuple[Callable[[Any], str | None], ...] = (
    _activity,
    _batch_statistics,
    _channels_first,
    _groups,
    _precision,
    _recurrent_dropout,
    _rolled,
    _stateful,
    _volumes,
)
