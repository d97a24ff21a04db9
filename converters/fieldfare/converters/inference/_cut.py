"""A plan and trained weights to a plain inference model, without Keras: no variables, one signature.

The plan's signature `infer_one` (or `infer`) is one subgraph. Each READ_VARIABLE in it becomes a constant, which is all
that training added. What can be computed of constants alone is, and layers become the single operators that a converter
would have made of them, had their weights been constants from the start.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import pack, parse, signature, tensor_map
from fieldfare.converters._keys import INFER_ONE
from fieldfare.converters.inference._fold import fold_constants
from fieldfare.converters.inference._fuse import fuse_layers
from fieldfare.converters.inference._graph import freeze, keep_only, variable_values
from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import Manifest, PlanTensor, read_manifest

SIGNATURE = "serving_default"


def plan_to_inference(plan: bytes, vector: NDArray[np.float32], *, batch_size: int = 1) -> bytes:
    """An inference-only `.tflite` made from the plan alone, for any LiteRT or TensorFlow Lite runtime.

    Its one signature, "serving_default", takes and gives tensors by the names in the manifest.

    Args:
        plan: the whole plan.
        vector: `(total,)` float32 trained weights, in the manifest's order.
        batch_size: 1, or the plan's own.

    Raises:
        ConfigError: another batch size.
        PlanError: not a plan, a damaged one, or one that is not understood.
        WeightsError: a vector of another length, or one that is not finite.
    """
    manifest = read_manifest(plan)
    if batch_size not in {1, manifest.batch_size}:
        raise ConfigError(f"must be 1 or the plan's own, {manifest.batch_size}; got {batch_size}", field="batch_size")
    tree = parse(plan)
    found = signature(tree, "infer" if batch_size == manifest.batch_size else INFER_ONE)
    subgraph = tree.subgraphs[found.subgraphIndex]
    freeze(tree, subgraph, variable_values(tree, manifest, vector))
    fold_constants(tree, subgraph)
    fuse_layers(tree, subgraph)
    keep_only(tree, found)
    _rename(tree, found, manifest)
    return pack(tree)


def _rename(tree: Any, found: Any, manifest: Manifest) -> None:
    """Give the signature the model's own names, and its tensors an order: that of the manifest."""
    found.signatureKey = SIGNATURE.encode()
    subgraph = tree.subgraphs[0]
    subgraph.name = b"main"
    found.inputs, subgraph.inputs = _entries(manifest.inputs, tensor_map(found.inputs))
    found.outputs, subgraph.outputs = _entries(manifest.outputs, tensor_map(found.outputs))
    for entry in (*found.inputs, *found.outputs):
        subgraph.tensors[entry.tensorIndex].name = entry.name
    _name_apart(subgraph, {int(entry.tensorIndex) for entry in (*found.inputs, *found.outputs)})
    tree.description = f"{manifest.name}: inference model made by Fieldfare".encode()


def _name_apart(subgraph: Any, fixed: set[int]) -> None:
    """Let no two tensors have one name, which quantisers and viewers go by."""
    taken = {subgraph.tensors[index].name for index in fixed}
    for index, tensor in enumerate(subgraph.tensors):
        if index not in fixed:
            name, count = tensor.name, 1
            while tensor.name in taken:
                tensor.name, count = name + b"_%d" % count, count + 1
            taken.add(tensor.name)


def _entries(tensors: tuple[PlanTensor, ...], places: dict[str, int]) -> tuple[list[Any], list[int]]:
    entries = []
    for one in tensors:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = one.spec.name.encode(), places[one.key]
        entries.append(entry)
    return entries, [entry.tensorIndex for entry in entries]
