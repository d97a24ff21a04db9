"""What is computed of constants alone is computed once, here, rather than at every prediction.

The runtime itself computes it, so that the values are those that it would have computed.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import DTYPES, is_op, pack, walk
from fieldfare.converters.inference._graph import drop_unused_operators, is_constant, make_constant
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import runtime_version

# Random numbers and other subgraphs are no constants.
_NOT_FOLDED = (
    "CALL",
    "CALL_ONCE",
    "IF",
    "MULTINOMIAL",
    "RANDOM_STANDARD_NORMAL",
    "RANDOM_UNIFORM",
    "STABLEHLO_COMPOSITE",
    "WHILE",
)
_UNPACKS = "DEQUANTIZE"
_ROOM_BYTES = 4096
"""By how much a result may be larger than the constants that it is computed of: shapes, masks and ranges."""


def fold_constants(tree: Any, subgraph: Any, *, unpack: bool = False) -> None:
    """Replace tensors that depend on constants only, unless that would make the file larger.

    So a transposed kernel, or a kernel and its LoRA factors, become one kernel; LoRA factors alone do not.

    Args:
        tree: the model.
        subgraph: of the model; changed in place.
        unpack: also make float constants of packed int8 ones.

    Raises:
        PlanError: the runtime cannot compute them.
    """
    sources = _sources(tree, subgraph, _NOT_FOLDED if unpack else (*_NOT_FOLDED, _UNPACKS))
    outputs = set(walk(subgraph.outputs))
    needed = {
        index
        for operator in subgraph.operators
        if int(operator.outputs[0]) not in sources
        for index in walk(operator.inputs)
        if index in sources
    }
    wanted = [one for one in sorted(needed - outputs) if unpack or _pays(subgraph, one, sources[one])]
    if not wanted:
        return
    for index, value in zip(wanted, _compute(tree, subgraph, sources, wanted), strict=True):
        make_constant(tree, subgraph, index, value)
    replaced = set(wanted)
    subgraph.operators = [one for one in subgraph.operators if int(one.outputs[0]) not in replaced]
    drop_unused_operators(subgraph)


def _sources(tree: Any, subgraph: Any, never: tuple[str, ...]) -> dict[int, frozenset[int]]:
    """The constants of which a tensor is computed, for every tensor that depends on nothing else."""
    sources: dict[int, frozenset[int]] = {}
    for operator in subgraph.operators:
        inputs = [index for index in walk(operator.inputs) if index >= 0]
        if not inputs or any(is_op(tree, operator, name) for name in never):
            continue
        if all(index in sources or is_constant(tree, subgraph, index) for index in inputs):
            of = frozenset[int]().union(*(sources.get(index, {index}) for index in inputs))
            sources |= dict.fromkeys(walk(operator.outputs), of)
    return sources


def _pays(subgraph: Any, index: int, of: frozenset[int]) -> bool:
    return _size(subgraph, index) <= sum(_size(subgraph, one) for one in of) + _ROOM_BYTES


def _size(subgraph: Any, index: int) -> int:
    """Bytes of a tensor."""
    tensor = subgraph.tensors[index]
    return int(np.prod([int(one) for one in walk(tensor.shape)])) * np.dtype(DTYPES[tensor.type]).itemsize


def _compute(tree: Any, subgraph: Any, sources: dict[int, frozenset[int]], wanted: list[int]) -> list[NDArray[Any]]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    part = schema.SubGraphT()
    part.tensors, part.inputs, part.outputs = subgraph.tensors, [], wanted
    part.operators = [one for one in subgraph.operators if int(one.outputs[0]) in sources]
    drop_unused_operators(part)
    used = {int(subgraph.tensors[index].buffer) for one in part.operators for index in walk(one.inputs) if index >= 0}
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = tree.version, tree.operatorCodes, [part]
    model.buffers = [one if index in used else schema.BufferT() for index, one in enumerate(tree.buffers)]
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(model_content=pack(model), experimental_op_resolver_type=kind)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise PlanError(f"{runtime_version()} cannot compute the plan's constants: {error}") from error
    return [interpreter.get_tensor(index) for index in wanted]
