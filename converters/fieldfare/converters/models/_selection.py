"""Which weights of a model train: the model's own choice, layers by name, the last ones, or low-rank adapters."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np

from fieldfare.converters.models._checks import flat_layers
from fieldfare.converters.models._functional import unique_names
from fieldfare.converters.models._lora import Adapter, adapter, attention_projections, can_adapt
from fieldfare.converters.models._overrides import overridden
from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import PlanTensor, WeightRole
from fieldfare.core.weights import TensorSpec

_HELP = 'give patterns of layer names ("head*"), "last:2", "lora:8", "lora:8:PATTERN", or a list of these'
_MAX_RANK = 1024


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight that travels: its name in the plan, its Keras variable and what moves it."""

    name: str
    variable: Any
    role: WeightRole


@dataclass(frozen=True, slots=True)
class Selection:
    """What trains.

    Attributes:
        weights: those that are trained, then the moving statistics of normalisations that train.
        adapters: the low-rank adapters whose factors are among the weights.
        frozen_sha256: digest of all other weights; empty where there are none.
    """

    weights: tuple[Weight, ...]
    adapters: tuple[Adapter, ...]
    frozen_sha256: bytes

    @property
    def trained(self) -> list[Any]:
        """The variables that the optimiser moves."""
        return [one.variable for one in self.weights if one.role is WeightRole.TRAINED]

    @property
    def tensors(self) -> tuple[PlanTensor, ...]:
        """The weights with their keys in the plan's signatures."""
        return tuple(
            PlanTensor(TensorSpec(one.name, "float32", tuple(one.variable.shape)), f"weight_{index}", one.role)
            for index, one in enumerate(self.weights)
        )


def trainable_rules(given: Any) -> tuple[str, ...]:
    """What a caller may write for `trainable`, as a tuple of rules; empty for None, the model's own choice.

    Raises:
        ConfigError: something else than a text, a number of layers, or a list of texts.
    """
    if given is None:
        return ()
    if isinstance(given, int) and not isinstance(given, bool):
        given = f"last:{given}"
    rules = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
    if not rules or not all(isinstance(one, str) and one for one in rules):
        raise ConfigError(f"{given!r} is not understood: {_HELP}", field="trainable")
    return rules


@contextmanager
def selected(model: Any, rules: Sequence[str]) -> Iterator[Selection]:
    """Let the weights that the rules name be the ones that train, adapters in place, while the context lasts.

    Args:
        model: in functional form; it is as it was when the context ends, but for weights that were assigned in it.
        rules: as `trainable_rules` gives them.

    Raises:
        ConfigError: a rule that matches no layer, or is not understood.
    """
    if not rules:
        yield _selection(model, list(model.trainable_variables), ())
        return
    layers, adapted = _matched(model, rules)
    adapters = tuple(adapter(layer, rank, seed=index) for index, (layer, rank) in enumerate(adapted))
    with _flags_kept(model):
        model.trainable = False
        for layer in layers:
            layer.trainable = True
        chosen = {id(variable) for layer in layers for variable in layer.trainable_variables}
        trained = [one for one in model.weights if id(one) in chosen]
        with overridden((one.layer, "call", one.call) for one in adapters):
            yield _selection(model, trained, adapters)


def _selection(model: Any, trained: list[Any], adapters: tuple[Adapter, ...]) -> Selection:
    factors = [
        (f"{one.kernel.path}/{kind}", variable)
        for one in adapters
        for kind, variable in (("lora_a", one.down), ("lora_b", one.up))
    ]
    named = [*((one.path, one) for one in trained), *factors]
    statistics = [(one.path, one) for one in _statistics(model)]
    names = unique_names([name for name, _ in (*named, *statistics)])
    weights = tuple(
        Weight(name, variable, WeightRole.TRAINED if index < len(named) else WeightRole.STATISTIC)
        for index, (name, (_, variable)) in enumerate(zip(names, (*named, *statistics), strict=True))
    )
    travelling = {id(one.variable) for one in weights}
    return Selection(weights, adapters, _digest(one for one in model.weights if id(one) not in travelling))


def _statistics(model: Any) -> Iterator[Any]:
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            yield from layer.non_trainable_variables


def _digest(variables: Iterable[Any]) -> bytes:
    hasher, empty = hashlib.sha256(), True
    for variable in variables:
        array = np.ascontiguousarray(variable.numpy())
        # With its shape: the same bytes in another layer are another model.
        hasher.update(f"{array.dtype} {array.shape};".encode())
        # As plain bytes: bfloat16 has no buffer of its own.
        hasher.update(array.reshape(-1).view(np.uint8).data)
        empty = False
    return b"" if empty else hasher.digest()


def _matched(model: Any, rules: Sequence[str]) -> tuple[list[Any], list[tuple[Any, int]]]:
    """Layers to train, and (layer, rank) of those to adapt."""
    everything = flat_layers(model)
    layers: list[Any] = []
    adapted: dict[int, tuple[Any, int]] = {}
    for rule in rules:
        kind, colon, rest = rule.partition(":")
        # Without a colon it is the name of a layer.
        if colon and kind == "last":
            layers.extend(_last(model, _number(rest, rule, len(everything))))
        elif colon and kind == "lora":
            rank, _, pattern = rest.partition(":")
            for layer in _adaptable(everything, pattern):
                adapted[id(layer)] = (layer, _number(rank, rule, _MAX_RANK))
        else:
            layers.extend(_named(everything, rule))
    if twice := [layer.name for layer, _ in adapted.values() if _inside(layer, layers)]:
        raise ConfigError(f"{', '.join(twice)}: either the weights train or an adapter does", field="trainable")
    return layers, list(adapted.values())


def _inside(layer: Any, layers: Sequence[Any]) -> bool:
    return any(one is layer or any(inner is layer for inner in flat_layers(one)) for one in layers)


def _adaptable(layers: Sequence[Any], pattern: str) -> list[Any]:
    if pattern:
        found = [inner for one in _named(layers, pattern) for inner in (one, *flat_layers(one)) if can_adapt(inner)]
    else:
        found = attention_projections(layers) or [one for one in layers if can_adapt(one)]
    if not found:
        raise ConfigError(
            "lora: there is no Dense or EinsumDense layer to adapt that computes as Keras's own", field="trainable"
        )
    return found


def _last(model: Any, count: int) -> list[Any]:
    top = model.layers
    # A subclassed model in its wrapper, or a model inside a model, is one layer.
    while len(inner := [one for one in top if one.weights]) == 1 and getattr(inner[0], "layers", None):
        top = inner[0].layers
    if count > len(inner):
        raise ConfigError(f"last:{count}: only {len(inner)} layers have weights", field="trainable")
    return inner[-count:]


def _named(layers: Sequence[Any], pattern: str) -> list[Any]:
    found = [one for one in layers if fnmatchcase(one.name, pattern) or fnmatchcase(one.path or "", pattern)]
    if not any(one.weights for one in found):
        names = sorted({one.name for one in layers if one.weights})
        close = get_close_matches(pattern, names, n=5) or names[:20]
        raise ConfigError(
            f"no layer with weights is called {pattern!r}; there are {', '.join(close)}; {_HELP}", field="trainable"
        )
    return found


def _number(text: str, rule: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ConfigError(f"{rule!r} needs a number from 1 to {most}; {_HELP}", field="trainable")
    return int(text)


@contextmanager
def _flags_kept(model: Any) -> Iterator[None]:
    """Put `trainable` of every layer and weight back when the context ends."""
    # From the outside in: setting a model's flag sets those of its layers.
    layers = [(one, one.trainable) for one in (model, *flat_layers(model))]
    weights = [(one, one.trainable) for one in model.weights]
    try:
        yield
    finally:
        for owner, flag in (*layers, *weights):
            owner.trainable = flag
