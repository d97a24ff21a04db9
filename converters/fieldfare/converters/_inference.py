"""A plan and trained weights to a plain inference model, without Keras: no variables, one signature.

The plan's signature `infer_one` (or `infer`) is one subgraph. Each READ_VARIABLE in it becomes a constant, which is all
that training added; constants that are only transposed or reshaped are folded, as the converter would have done.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import (
    add_buffer,
    constant,
    initial_assignments,
    is_op,
    pack,
    parse,
    prune_buffers,
    prune_op_codes,
    prune_tensors,
    signature,
    tensor_map,
    variables_by_tensor,
    walk,
    weight_variables,
)
from fieldfare.converters._keys import INFER_ONE
from fieldfare.core.errors import ConfigError, PlanError
from fieldfare.core.plans import Manifest, PlanTensor, read_manifest
from fieldfare.core.weights import split_vector

_SIGNATURE = "serving_default"


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
        WeightsError: a vector of another length.
    """
    manifest = read_manifest(plan)
    if batch_size not in {1, manifest.batch_size}:
        raise ConfigError(f"must be 1 or the plan's own, {manifest.batch_size}; got {batch_size}", field="batch_size")
    tensors = split_vector(manifest.weight_specs, vector)
    tree = parse(plan)
    key = "infer" if batch_size == manifest.batch_size else INFER_ONE
    found = signature(tree, key)
    values = _variable_values(tree)
    variables = weight_variables(tree)
    values |= {variables[one.key]: tensors[one.spec.name] for one in manifest.weights}
    subgraph = tree.subgraphs[found.subgraphIndex]
    _freeze(tree, subgraph, values)
    _fold(tree, subgraph)
    _keep_only(tree, subgraph)
    _rename(tree, found, manifest)
    return pack(tree)


def _variable_values(tree: Any) -> dict[str, NDArray[Any]]:
    """Initial value of every variable: what frozen layers that stayed variables are read as."""
    values = {}
    for name, (subgraph, operator) in initial_assignments(tree).items():
        value = constant(tree, subgraph.tensors[operator.inputs[1]])
        if value is not None:
            values[name] = value
    return values


def _freeze(tree: Any, subgraph: Any, values: dict[str, NDArray[Any]]) -> None:
    handles = variables_by_tensor(tree, subgraph)
    kept = []
    for operator in subgraph.operators:
        if is_op(tree, operator, "READ_VARIABLE"):
            name = handles[int(operator.inputs[0])]
            if name not in values:
                raise PlanError(f"the plan does not initialise the variable {name!r}; export it again")
            _make_constant(tree, subgraph, int(operator.outputs[0]), values[name])
        elif is_op(tree, operator, "ASSIGN_VARIABLE"):
            raise PlanError("the plan's infer writes to a variable; export it again")
        elif not (is_op(tree, operator, "VAR_HANDLE") or is_op(tree, operator, "CALL_ONCE")):
            kept.append(operator)
    subgraph.operators = kept


def _make_constant(tree: Any, subgraph: Any, index: int, value: NDArray[Any]) -> None:
    tensor = subgraph.tensors[index]
    tensor.buffer = add_buffer(tree, value)
    tensor.shape, tensor.shapeSignature = [int(size) for size in value.shape], None


def _fold(tree: Any, subgraph: Any) -> None:
    """Compute TRANSPOSE and RESHAPE of constants now rather than at every prediction."""
    outputs = set(walk(subgraph.outputs))
    kept = []
    for operator in subgraph.operators:
        value = _folded(tree, subgraph, operator)
        if value is None or int(operator.outputs[0]) in outputs:
            kept.append(operator)
        else:
            _make_constant(tree, subgraph, int(operator.outputs[0]), value)
    subgraph.operators = kept


def _folded(tree: Any, subgraph: Any, operator: Any) -> NDArray[Any] | None:
    transposes = is_op(tree, operator, "TRANSPOSE")
    if not (transposes or is_op(tree, operator, "RESHAPE")):
        return None
    source = constant(tree, subgraph.tensors[operator.inputs[0]])
    if source is None:
        return None
    if not transposes:
        return source.reshape([int(size) for size in walk(subgraph.tensors[operator.outputs[0]].shape)])
    order = constant(tree, subgraph.tensors[operator.inputs[1]])
    return None if order is None else source.transpose([int(axis) for axis in order])


def _keep_only(tree: Any, subgraph: Any) -> None:
    """Drop the other subgraphs, and the tensors, buffers and metadata that are no longer used."""
    prune_tensors(tree, subgraph)
    subgraph.name = b"main"
    tree.signatureDefs = [one for one in tree.signatureDefs if tree.subgraphs[one.subgraphIndex] is subgraph]
    tree.subgraphs = [subgraph]
    tree.metadata = []
    tree.metadataBuffer = None
    prune_op_codes(tree)
    prune_buffers(tree)


def _rename(tree: Any, found: Any, manifest: Manifest) -> None:
    """Give the signature the model's own names, and its tensors an order: that of the manifest."""
    found.signatureKey, found.subgraphIndex = _SIGNATURE.encode(), 0
    tree.signatureDefs = [found]
    subgraph = tree.subgraphs[0]
    found.inputs, subgraph.inputs = _entries(manifest.inputs, tensor_map(found.inputs))
    found.outputs, subgraph.outputs = _entries(manifest.outputs, tensor_map(found.outputs))
    for entry in (*found.inputs, *found.outputs):
        subgraph.tensors[entry.tensorIndex].name = entry.name
    tree.description = f"{manifest.name}: inference model made by Fieldfare".encode()


def _entries(tensors: tuple[PlanTensor, ...], places: dict[str, int]) -> tuple[list[Any], list[int]]:
    entries = []
    for one in tensors:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = one.spec.name.encode(), places[one.key]
        entries.append(entry)
    return entries, [entry.tensorIndex for entry in entries]
