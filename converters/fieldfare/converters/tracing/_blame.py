"""Finds the layers behind operations that cannot be converted, so that an error can name them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.lowerings import Refusal
from fieldfare.converters.models import CALL_ERRORS, call_reason, describe, flat_layers, overridden
from fieldfare.core.errors import ModelError

Owners = dict[tuple[int, str], str]
"""`(id of a graph, name of an operation)` to the description of the layer that made it."""

_ELSEWHERE = "the loss, a metric, the optimizer or an operation between layers"
_NO_WAY_ROUND = "use a layer, loss or metric that does without it"
_NO_LOOP = "write its loop over tensors as a loop over range(), whose length is known when the model is built"
_ADVICE = {
    "StatelessRandom": "draw while it trains alone, or vary the examples before training",
    "TensorList": _NO_LOOP,
    "While": _NO_LOOP,
}


@contextmanager
def recorded_owners(model: Any, owners: Owners) -> Iterator[None]:
    """Note which layer makes which operation while the model is traced.

    Args:
        model: its layers' `call` is wrapped inside the context and as before when it ends.
        owners: receives the innermost layer of every operation.

    Raises:
        ModelError: what is done inside fails in TensorFlow, Keras or the user's own code; names the innermost layer.
    """
    called: list[str] = []
    try:
        with overridden((one, "call", _recording(one, owners, called)) for one in flat_layers(model)):
            yield
    except (*CALL_ERRORS, tf.errors.OpError) as error:
        layer = called[-1] if called else _ELSEWHERE
        raise ModelError(f"{layer}: TensorFlow cannot trace a training step: {call_reason(error)}") from error


def _recording(layer: Any, owners: Owners, called: list[str]) -> Any:
    inner = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        before, depth = len(graph.get_operations()), len(called)
        called.append(describe(layer))
        result = inner(*args, **kwargs)
        # Not where it fails: the last one is then the layer that did.
        del called[depth:]
        for operation in graph.get_operations()[before:]:
            owners.setdefault((id(graph), operation.name), describe(layer))
        return result

    return call


def state_problems(graph: Any, owners: Owners, model: Any) -> list[str]:
    """Sentences for layers that write to variables in the forward pass; the graph must not hold an optimiser yet.

    The moving statistics of batch normalisation are weights of the plan, and no problem.
    """
    layers = {
        owner_of(graph, operation.name, owners)
        for operation in graph.get_operations()
        if operation.type.startswith("Assign")
    }
    layers -= {describe(one) for one in flat_layers(model) if isinstance(one, keras.layers.BatchNormalization)}
    return [
        f"{layer} writes to state of its own while it trains: freeze it (layer.trainable = False) or leave it out"
        for layer in sorted(layers)
    ]


def refusal_problems(refusals: Iterable[Refusal], owners: Owners) -> list[str]:
    """A sentence for each operation that its lowering does not take, with the layer that it comes from."""
    return [
        f"{owner_of(one.op.graph, one.op.name, owners)}: the operation {one.op.type} cannot be trained: {one.reason}"
        for one in refusals
    ]


def op_problems(op_types: Iterable[str], graphs: Iterable[Any], owners: Owners, blamed: Iterable[str]) -> list[str]:
    """A sentence for each operation type that TFLite lacks, with the layers it comes from and a way round.

    Args:
        op_types: TensorFlow's names of the operations.
        graphs: where they may stand.
        owners: what `recorded_owners` noted.
        blamed: problems that are known; an operation whose layers all stand there already is their consequence.
    """
    known, listed, problems = "\n".join(blamed), list(graphs), []
    for op_type in op_types:
        found = {
            owner_of(graph, one.name, owners)
            for graph in listed
            for one in graph.get_operations()
            if one.type == op_type
        }
        layers = sorted(found - {_ELSEWHERE}) or [_ELSEWHERE]
        if all(layer in known for layer in layers):
            continue
        advice = next((text for part, text in _ADVICE.items() if part in op_type), _NO_WAY_ROUND)
        problems.append(f"{', '.join(layers)}: TFLite has no builtin for the operation {op_type}: {advice}")
    return problems


def owner_of(graph: Any, name: str, owners: Mapping[tuple[int, str], str]) -> str:
    """The layer of an operation, or of the forward operation whose gradient it is part of."""
    forward = re.fullmatch(r"gradients(?:_\d+)?/(.+)_grad/.*", name)
    for candidate in (name, *(forward.groups() if forward else ())):
        if (id(graph), candidate) in owners:
            return owners[id(graph), candidate]
    return _ELSEWHERE
