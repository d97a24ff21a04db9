"""Rows of layers as branches of one model: many rows share one export.

A branch has inputs of its own, a trainable `Dense` in front of what is tested (so that the gradient that leaves it
counts too), an output and a mean squared error. The weights, the metric and the output of a branch tell about its row.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from fieldfare.converters.lowerings import lowered_ops, replaced_ops
from fieldfare.converters.models import flat_layers
from fieldfare.converters.tracing._adaptations import inlined, unrolled
from tests.parity.rows import Row

BATCH = 6
LEARNING_RATE = 0.05
_BLOCKS = {"BatchToSpaceND", "SpaceToBatchND"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(Row):
    """A row that is a branch of its group's model.

    Attributes:
        group: rows of one group share a model.
        shapes: of the inputs, without the batch.
        build: the inputs to the output.
        dtype: of the inputs; in front of integers there is no `Dense`.
        front: whether a trainable `Dense` stands between inputs and layer.
        idle: how the paths of weights end whose true gradient is zero; the note says why.
    """

    group: str
    shapes: tuple[tuple[int, ...], ...]
    build: Callable[..., Any]
    dtype: str = "float32"
    front: bool = True
    idle: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name as an output of a model can have it."""
        # Not the layer's own name, which the layer itself takes.
        return "to_" + re.sub(r"[^A-Za-z0-9]+", "_", self.name).strip("_")

    def model(self) -> Any:
        """The branch as a model of its own."""
        inputs = [
            keras.Input(shape, dtype=self.dtype, name=f"{self.slug}_in_{index}")
            for index, shape in enumerate(self.shapes)
        ]
        fed = inputs
        if self.front and self.dtype == "float32":
            fed = [keras.layers.Dense(one.shape[-1])(one) for one in inputs]
        return keras.Model(inputs, keras.layers.Identity(name=self.slug)(self.build(*fed)))

    def stand_ins(self) -> str:
        """What stands in for Keras's own: gradients, operations of the forward pass, loops."""
        model = replace(self, front=False).model()
        feeds = [tf.TensorSpec((BATCH, *shape), self.dtype) for shape in self.shapes]
        with unrolled(model), inlined():
            graph = tf.function(lambda *fed: model(list(fed), training=True)).get_concrete_function(*feeds).graph
        names = {one.type for one in graph.get_operations() if not _stays(one)}
        lowered = sorted(names & set(lowered_ops()))
        replaced = sorted(names & set(replaced_ops()) - set(lowered))
        loops = any(isinstance(one, keras.layers.RNN) and not one.unroll for one in flat_layers(model))
        parts = [self.stands_in] if self.stands_in else []
        parts += ["unrolled"] if loops else []
        parts += [f"gradient of {', '.join(lowered)}"] if lowered else []
        parts += [f"replaces {', '.join(replaced)}"] if replaced else []
        return "; ".join(parts)


def _stays(op: Any) -> bool:
    """Whether TFLite runs the operation as it is, although those of more axes are replaced."""
    if op.type == "BatchMatMulV2":
        return len(op.outputs[0].shape) <= 5
    return op.type in _BLOCKS and len(op.outputs[0].shape) <= 4


@dataclass(frozen=True, slots=True)
class Group:
    """A model of all branches of a group.

    Attributes:
        rows: the branches.
        model: all of them side by side.
        weights: slug of each branch to the paths of its weights.
    """

    rows: tuple[Branch, ...]
    model: Any
    weights: dict[str, tuple[str, ...]]

    @property
    def settings(self) -> dict[str, Any]:
        """What `export_keras` and `check_parity` need."""
        return {
            "loss": ["mse"] * len(self.rows),
            "metrics": {row.slug: ["mse"] for row in self.rows},
            "optimizer": keras.optimizers.SGD(LEARNING_RATE, momentum=0.9),
        }


def group_of(rows: Sequence[Branch], *, seed: int = 7) -> Group:
    """Put branches side by side in one model, with the same weights each time."""
    keras.utils.set_random_seed(seed)
    models = [row.model() for row in rows]
    inputs = [one for model in models for one in model.inputs]
    model = keras.Model(inputs, [one for model in models for one in model.outputs], name=rows[0].group)
    weights = {row.slug: tuple(one.path for one in model.variables) for row, model in zip(rows, models, strict=True)}
    return Group(tuple(rows), model, weights)


def branch(
    name: str,
    group: str,
    *shapes: tuple[int, ...],
    layer: Callable[[], Any] | None = None,
    build: Callable[..., Any] | None = None,
    **settings: Any,
) -> Branch:
    """A branch that covers the public name with which its own name begins.

    Args:
        name: of the row.
        group: of the model.
        shapes: of the inputs.
        layer: makes the layer that is called on the input.
        build: the inputs to the output, where that is more than one layer.
        settings: other attributes of the branch.
    """
    first = name.partition(",")[0]
    covers = settings.pop("covers", (first,) if hasattr(keras.layers, first) else ())
    made = build if layer is None else _calling(layer)
    return Branch(name=name, group=group, shapes=shapes, build=made, covers=covers, **settings)


def _calling(layer: Callable[[], Any]) -> Callable[..., Any]:
    # A new layer each time: two models of one row have weights of their own.
    def build(tensor: Any) -> Any:
        return layer()(tensor)

    return build
