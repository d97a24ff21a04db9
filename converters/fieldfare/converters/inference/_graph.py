"""Steps on one subgraph of a plan: variables to constants, new constants, and dropping what is no longer used."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import (
    DTYPES,
    add_buffer,
    add_tensor,
    constant,
    initial_assignments,
    is_op,
    merge_buffers,
    prune_buffers,
    prune_op_codes,
    prune_tensors,
    variables_by_tensor,
    walk,
    weight_variables,
)
from fieldfare.converters._vector import trained_tensors
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import Manifest

_TYPES = {name: number for number, name in DTYPES.items()}


def variable_values(tree: Any, manifest: Manifest, vector: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Value of every variable by its name: trained weights from `vector`, all others as the plan initialises them.

    Raises:
        PlanError: the plan's variables are not understood.
        WeightsError: a vector of another length, or one that is not finite.
    """
    tensors = trained_tensors(manifest, vector)
    values = {}
    for name, (subgraph, operator) in initial_assignments(tree).items():
        value = constant(tree, subgraph.tensors[operator.inputs[1]])
        if value is not None:
            values[name] = value
    variables = weight_variables(tree)
    return values | {variables[one.key]: tensors[one.spec.name] for one in manifest.weights}


def freeze(tree: Any, subgraph: Any, values: dict[str, NDArray[Any]]) -> None:
    """Put constants where the subgraph reads variables.

    Raises:
        PlanError: it writes to one, or reads one that `values` does not have.
    """
    handles = variables_by_tensor(tree, subgraph)
    kept = []
    for operator in subgraph.operators:
        if is_op(tree, operator, "READ_VARIABLE"):
            name = handles[int(operator.inputs[0])]
            if name not in values:
                raise PlanError(f"the plan does not initialise the variable {name!r}; export it again")
            make_constant(tree, subgraph, int(operator.outputs[0]), values[name])
        elif is_op(tree, operator, "ASSIGN_VARIABLE"):
            raise PlanError("the plan's infer or evaluate writes to a variable; export it again")
        elif not (is_op(tree, operator, "VAR_HANDLE") or is_op(tree, operator, "CALL_ONCE")):
            kept.append(operator)
    subgraph.operators = kept


def make_constant(tree: Any, subgraph: Any, index: int, value: NDArray[Any]) -> None:
    """Turn a computed tensor into a constant."""
    tensor = subgraph.tensors[index]
    tensor.buffer = add_buffer(tree, value)
    tensor.shape, tensor.shapeSignature = [int(size) for size in value.shape], None


def new_constant(tree: Any, subgraph: Any, name: bytes, value: NDArray[Any]) -> int:
    """Append a constant tensor and return its index."""
    return add_tensor(subgraph, name, value.shape, _TYPES[value.dtype.name], add_buffer(tree, value))


def is_constant(tree: Any, subgraph: Any, index: int) -> bool:
    """Whether a tensor has a value of its own, of a known type."""
    tensor = subgraph.tensors[index]
    data = tree.buffers[tensor.buffer].data
    return data is not None and len(data) > 0 and tensor.type in DTYPES


def has_scales(tensor: Any) -> bool:
    """Whether a tensor's integers stand for real numbers."""
    return tensor.quantization is not None and tensor.quantization.scale is not None


def users(subgraph: Any) -> dict[int, list[Any]]:
    """The operators that take each tensor."""
    found: dict[int, list[Any]] = defaultdict(list)
    for operator in subgraph.operators:
        for index in {*walk(operator.inputs)} - {-1}:
            found[index].append(operator)
    return found


def drop_unused_operators(subgraph: Any) -> None:
    """Drop the operators on which no output depends."""
    wanted, kept = set(walk(subgraph.outputs)), []
    for operator in reversed(subgraph.operators):
        if wanted & set(walk(operator.outputs)):
            wanted |= set(walk(operator.inputs))
            kept.append(operator)
    subgraph.operators = kept[::-1]


def keep_only(tree: Any, found: Any) -> None:
    """Drop every signature but `found`, the other subgraphs, and the tensors, buffers and metadata left without use."""
    subgraph = tree.subgraphs[found.subgraphIndex]
    drop_unused_operators(subgraph)
    tree.signatureDefs, tree.subgraphs, found.subgraphIndex = [found], [subgraph], 0
    tree.metadata = []
    tree.metadataBuffer = None
    prune_tensors(tree, subgraph)
    prune_buffers(tree)
    merge_buffers(tree)
    _merge_constants(tree, subgraph)
    prune_tensors(tree, subgraph)
    prune_buffers(tree)
    prune_op_codes(tree)


def _merge_constants(tree: Any, subgraph: Any) -> None:
    """Let equal constants be one tensor, after `merge_buffers`: an unrolled layer has its weights at every step."""
    first: dict[tuple[int, tuple[int, ...], int], int] = {}
    for operator in subgraph.operators:
        inputs = list(walk(operator.inputs))
        for place, index in enumerate(inputs):
            tensor = subgraph.tensors[index]
            if index >= 0 and is_constant(tree, subgraph, index) and not has_scales(tensor):
                key = (int(tensor.type), tuple(walk(tensor.shape)), int(tensor.buffer))
                inputs[place] = first.setdefault(key, index)
        operator.inputs = inputs
