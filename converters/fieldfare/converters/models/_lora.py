"""Low-rank adapters (Hu et al. 2021, "LoRA", equation 3) on dense layers: `h = W x + B A x`, with W frozen.

Keras's own `enable_lora` computes `(W + A B) x`, a second weight of W's size in every step, and for `EinsumDense` its
two factors are not small. Here the factors are, for every equation: A has the kernel's contracted axes and the rank, B
the rank and the kernel's other axes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from fieldfare.converters.models._checks import describe
from fieldfare.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter of one layer.

    Attributes:
        layer: the `Dense` or `EinsumDense` layer.
        kernel: its frozen kernel.
        down: A, `(*contracted axes, rank)`.
        up: B, `(rank, *other axes)`; zeros at the start, so that the model is as it was.
        equations: inputs and A to something of that rank; that and B to the layer's output; A and B to the kernel.
    """

    layer: Any
    kernel: Any
    down: Any
    up: Any
    equations: tuple[str, str, str]

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002
        """What the layer computes with the adapter; takes the place of its `call`."""
        ops, layer = keras.ops, self.layer
        if isinstance(layer, keras.layers.Dense):
            result = ops.matmul(inputs, layer.kernel) + ops.matmul(ops.matmul(inputs, self.down), self.up)
        else:
            small = ops.einsum(self.equations[0], inputs, self.down)
            result = ops.einsum(layer.equation, inputs, layer.kernel) + ops.einsum(self.equations[1], small, self.up)
        if layer.bias is not None:
            result += layer.bias
        return result if layer.activation is None else layer.activation(result)

    def merge(self) -> None:
        """Add `A B` to the kernel: the layer then computes by itself what it did with the adapter."""
        self.kernel.assign_add(keras.ops.einsum(self.equations[2], self.down, self.up))


def can_adapt(layer: Any) -> bool:
    """Whether the layer is of a kind that takes an adapter; one that computes something of its own does not."""
    return layer.built and any(type(layer).call is kind.call for kind in (keras.layers.Dense, keras.layers.EinsumDense))


def attention_projections(layers: Sequence[Any]) -> list[Any]:
    """The layers that make queries and values, which the paper adapts (section 4.2), by their usual names."""
    ends = ("query", "value", "q_proj", "v_proj")
    return [one for one in layers if can_adapt(one) and one.name.rstrip("_0123456789").endswith(ends)]


def adapter(layer: Any, rank: int, *, seed: int) -> Adapter:
    """A new adapter: A uniform within `1 / sqrt(contracted size)`, B zero.

    Raises:
        ConfigError: a kernel with axes that are neither contracted nor new, a rank above the kernel's own, or a layer
            that has an adapter of Keras's own.
    """
    if layer.lora_enabled:
        raise ConfigError(f"{describe(layer)} has an adapter of Keras's own: leave lora out", field="trainable")
    equation = "ab,bc->ac" if isinstance(layer, keras.layers.Dense) else layer.equation
    inputs, kernel_axes, output = equation.replace("->", ",").split(",")
    contracted = [one for one in kernel_axes if one not in output]
    others = [one for one in kernel_axes if one in output]
    if not (contracted and others) or any(one in inputs for one in others):
        raise ConfigError(f"{describe(layer)} computes {equation}, which has no adapter", field="trainable")
    # Keras's private name: the public one merges an adapter of its own.
    kernel = layer._kernel
    sizes = dict(zip(kernel_axes, kernel.shape, strict=True))
    down, up = [sizes[one] for one in contracted], [sizes[one] for one in others]
    if rank > min(math.prod(down), math.prod(up)):
        raise ConfigError(f"rank {rank} is above that of the kernel of {describe(layer)}", field="trainable")
    bound = 1.0 / math.sqrt(math.prod(down))
    values = np.random.default_rng(seed).uniform(-bound, bound, (*down, rank)).astype(np.float32)
    new = next(one for one in "zyxwvutsrqponmlkjihgfedcba" if one not in equation)
    small = "".join(one for one in inputs if one not in contracted) + new
    first, second = "".join(contracted) + new, new + "".join(others)
    name = kernel.path.replace("/", "_")
    return Adapter(
        layer=layer,
        kernel=kernel,
        down=keras.Variable(values, name=f"{name}_lora_a"),
        up=keras.Variable(np.zeros((rank, *up), np.float32), name=f"{name}_lora_b"),
        equations=(f"{inputs},{first}->{small}", f"{small},{second}->{output}", f"{first},{second}->{kernel_axes}"),
    )
