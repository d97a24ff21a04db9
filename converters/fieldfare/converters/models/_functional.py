"""A model in functional form: with inputs and outputs that it knows. Subclassed models are wrapped in one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from fieldfare.converters.models._checks import flat_layers
from fieldfare.core.errors import ConfigError

_AUTOMATIC_NAME = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?")
CALL_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What Keras, or the user's own code, raises where a layer does not take what it is called with."""
_GIVE_INPUTS = "say what it takes: inputs=keras.Input(shape=..., dtype=...) (--input), or a list or dict of them"


def functional_form(model: Any, inputs: Any, problems: list[str]) -> Any:
    """The model itself where it knows its inputs and outputs, else a functional model around it.

    Args:
        model: any Keras model.
        inputs: what a subclassed model takes: a `keras.Input`, the shape of one example, or a list or dict of these;
            None for the shape that the model was built with, in float32.
        problems: receives a sentence if there is no such form.

    Returns:
        None if there were problems.

    Raises:
        ConfigError: `inputs` for a model that knows its own, or something else than inputs.
    """
    if not isinstance(model, keras.Model):
        problems.append(f"{type(model).__name__} is no keras.Model")
        return None
    if getattr(model, "inputs", None) is not None and getattr(model, "outputs", None) is not None:
        if inputs is not None:
            raise ConfigError("the model knows its inputs: leave this out", field="inputs")
        return model
    tensors = _tensors(model, inputs, problems)
    if tensors is None:
        return None
    if any(one.dtype == "string" for one in keras.tree.flatten(tensors)):
        problems.append("an input has dtype string: turn text into integers before the model")
        return None
    try:
        return keras.Model(tensors, _named(model(tensors)), name=model.name)
    except CALL_ERRORS as error:
        problems.append(f"the model cannot be called on symbolic inputs: {call_reason(error)}; {_GIVE_INPUTS}")
        return None


def call_reason(error: Exception) -> str:
    """The line that says what is wrong, of an error of Keras or of the user's own code in a layer's call."""
    # A KeyError shows its message quoted.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    plain = re.sub(r"\x1b\[\d*m", "", text).partition("\nArguments received by ")[0]
    lines = [line.strip() for line in plain.rpartition("Error encountered:")[2].splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception encountered when calling")]
    kind = type(error).__name__
    if not telling:
        return kind
    return f"{kind}: {telling[0]}" if isinstance(error, KeyError) else telling[0].rstrip(".")


def _named(outputs: Any) -> Any:
    """Several outputs of one model, each with a name of its own: its key, or its number."""
    if isinstance(outputs, Mapping):
        return {name: keras.layers.Identity(name=str(name))(one) for name, one in outputs.items()}
    if isinstance(outputs, list | tuple):
        return [keras.layers.Identity(name=f"output_{index}")(one) for index, one in enumerate(outputs)]
    return outputs


def _tensors(model: Any, inputs: Any, problems: list[str]) -> Any:
    if inputs is not None:
        return _inputs(inputs)
    if not model.built and isinstance(model, keras.Sequential):
        problems.append("the model is not built: add keras.Input(shape=...) as its first layer, or pass inputs=...")
        return None
    shape = (model.get_build_config() or {}).get("input_shape")
    integers = any(isinstance(one, keras.layers.Embedding) for one in flat_layers(model))
    if shape is None or not _is_shape(shape) or integers:
        problems.append(f"the model does not know its inputs: {_GIVE_INPUTS}")
        return None
    return keras.Input(tuple(shape[1:]))


def _inputs(given: Any) -> Any:
    if isinstance(given, keras.KerasTensor):
        return given
    if isinstance(given, Mapping):
        return {name: _renamed(_inputs(one), str(name)) for name, one in given.items()}
    if _is_shape(given):
        return keras.Input(tuple(given))
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        return [_inputs(one) for one in given]
    raise ConfigError(f"must be a keras.Input, a shape, or a list or dict of them, got {given!r}", field="inputs")


def _renamed(tensor: Any, name: str) -> Any:
    if tensor.name == name:
        return tensor
    return keras.Input(tuple(tensor.shape[1:]), dtype=tensor.dtype, name=name)


def _is_shape(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(one is None or isinstance(one, int) for one in given)


def input_names(model: Any) -> list[str]:
    """Names of the inputs as given to `keras.Input`; "input", or "input_0" and so on, where none was given.

    Keras's own default counts all tensors of the process, so that it would not be the same twice.
    """
    single = len(model.inputs) == 1
    return [
        ("input" if single else f"input_{index}") if _AUTOMATIC_NAME.fullmatch(one.name) else one.name
        for index, one in enumerate(model.inputs)
    ]


def output_names(model: Any) -> list[str]:
    """Names of the outputs: their keys, or the layers that make them; a layer that makes several is counted."""
    structure = getattr(model, "_outputs_struct", None)
    if isinstance(structure, Mapping) and len(structure) == len(model.outputs):
        # In the order in which Keras flattens a dict.
        return [str(key) for key in sorted(structure)]
    return unique_names(getattr(model, "output_names", None) or [model.layers[-1].name])


def unique_names(names: Iterable[str]) -> list[str]:
    """The names in their order; of equal ones, all but the first get a number."""
    taken: set[str] = set()
    result = []
    for given in names:
        name, count = given, 1
        while name in taken:
            name, count = f"{given}_{count}", count + 1
        taken.add(name)
        result.append(name)
    return result


def packed_inputs(model: Any, flat: Sequence[Any]) -> Any:
    """The inputs in the structure (list, dict) in which the model takes them."""
    # Functional models keep it; sequential ones have one input.
    structure = getattr(model, "_inputs_struct", None)
    return flat[0] if structure is None else keras.tree.pack_sequence_as(structure, list(flat))
