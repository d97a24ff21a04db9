"""Random examples that suit a plan: its dtypes, its vocabularies and its loss."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fieldfare.converters.models import flat_layers
from fieldfare.core.plans import Manifest
from fieldfare.core.weights import TensorSpec


def random_batches(model: Any, manifest: Manifest, *, steps: int, seed: int) -> list[dict[str, NDArray[Any]]]:
    """Batches of random examples; the last one is short where the batch size allows it.

    Args:
        model: in functional form; its embeddings say how many words there are.
        manifest: of a plan of it.
        steps: number of batches.
        seed: equal seeds give equal batches.
    """
    draw = np.random.default_rng(seed)
    tables = [layer.input_dim for layer in flat_layers(model) if isinstance(layer, keras.layers.Embedding)]
    sizes = [manifest.batch_size] * (steps - 1) + [max(1, manifest.batch_size // 3)]
    losses = manifest.loss.split("+")
    made = []
    for rows in sizes:
        batch = {spec.name: _input(spec, rows, min(tables, default=2), draw) for spec in manifest.input_specs}
        for index, one in enumerate(manifest.targets):
            classes = manifest.outputs[index].spec.shape[-1] if manifest.outputs[index].spec.shape else 1
            batch[one.spec.name] = _target(one.spec, rows, losses[index], classes, draw)
        made.append(batch)
    return made


def _input(spec: TensorSpec, rows: int, top: int, draw: np.random.Generator) -> NDArray[Any]:
    shape = (rows, *spec.shape)
    if spec.dtype == "float32":
        return draw.standard_normal(shape, np.float32)
    return draw.integers(0, 2 if spec.dtype == "bool" else top, shape).astype(spec.dtype)


def _target(spec: TensorSpec, rows: int, loss: str, classes: int, draw: np.random.Generator) -> NDArray[Any]:
    shape = (rows, *spec.shape)
    if spec.dtype == "int32":
        return draw.integers(0, classes, shape).astype(np.int32)
    if "categorical" in loss or "kl" in loss:
        raw = draw.random(shape, np.float32) + np.float32(0.01)
        return np.asarray(raw / raw.sum(-1, keepdims=True), np.float32)
    if "binary" in loss or "hinge" in loss:
        return draw.integers(0, 2, shape).astype(np.float32)
    if "poisson" in loss or "log" in loss or "percentage" in loss:
        return draw.random(shape, np.float32) + np.float32(0.5)
    return draw.standard_normal(shape, np.float32)
