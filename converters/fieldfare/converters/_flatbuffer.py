"""A plan's flatbuffer as a tree of objects: finding variables and where their initial values lie.

A plan initialises its variables in a subgraph of its own: VAR_HANDLE and a constant go into ASSIGN_VARIABLE. The other
subgraphs name a variable by its container and shared name, and take its value with READ_VARIABLE.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.core.errors import PlanError
from fieldfare.core.plans import pack_model

DTYPES: dict[int, str] = {
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64",
    schema.TensorType.BOOL: "bool",
    schema.TensorType.UINT8: "uint8",
    schema.TensorType.INT8: "int8",
    schema.TensorType.INT16: "int16",
    schema.TensorType.FLOAT16: "float16",
}


def parse(model: bytes) -> Any:
    """The flatbuffer as a `ModelT`; the contents of its buffers are views of `model`, not copies."""
    return schema.ModelT.InitFromPackedBuf(model, 0)


def pack(tree: Any) -> bytes:
    """The inverse of `parse`."""
    return bytes(pack_model(tree))


def op_code(tree: Any, operator: Any) -> int:
    """The builtin operator's number in `schema.BuiltinOperator`."""
    code = tree.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def is_op(tree: Any, operator: Any, name: str) -> bool:
    """Whether an operator is the builtin `name`, such as "READ_VARIABLE"."""
    return bool(op_code(tree, operator) == getattr(schema.BuiltinOperator, name))


def variables_by_tensor(tree: Any, subgraph: Any) -> dict[int, str]:
    """Index of each resource tensor of a subgraph to the name of the variable that it points to."""
    return {
        int(operator.outputs[0]): _text(operator.builtinOptions.sharedName)
        for operator in subgraph.operators
        if is_op(tree, operator, "VAR_HANDLE")
    }


def initial_assignments(tree: Any) -> dict[str, tuple[Any, Any]]:
    """Name of each variable to `(subgraph, ASSIGN_VARIABLE operator)` of its initialisation.

    Raises:
        PlanError: the plan has no initialisation that is understood.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for index in _init_subgraphs(tree):
        subgraph = tree.subgraphs[index]
        handles = variables_by_tensor(tree, subgraph)
        for operator in subgraph.operators:
            if is_op(tree, operator, "ASSIGN_VARIABLE"):
                found[handles[int(operator.inputs[0])]] = (subgraph, operator)
    if not found:
        raise PlanError("the plan has no initial weights that can be found; export it again")
    return found


def _init_subgraphs(tree: Any) -> set[int]:
    return {
        int(operator.builtinOptions.initSubgraphIndex)
        for subgraph in tree.subgraphs
        for operator in subgraph.operators
        if is_op(tree, operator, "CALL_ONCE")
    }


def signature(tree: Any, key: str) -> Any:
    """The `SignatureDefT` of a key.

    Raises:
        PlanError: the plan has no such signature.
    """
    for one in tree.signatureDefs or []:
        if _text(one.signatureKey) == key:
            return one
    raise PlanError(f"the plan has no signature {key}; export it again")


def tensor_map(entries: Any) -> dict[str, int]:
    """Key to tensor index of a signature's inputs or outputs."""
    return {_text(one.name): int(one.tensorIndex) for one in entries or []}


def weight_variables(tree: Any) -> dict[str, str]:
    """Key of each weight in `get_weights` to the name of its variable.

    Raises:
        PlanError: an output of `get_weights` is not a variable as it is read.
    """
    found = signature(tree, "get_weights")
    subgraph = tree.subgraphs[found.subgraphIndex]
    handles = variables_by_tensor(tree, subgraph)
    reads = {
        int(one.outputs[0]): handles[int(one.inputs[0])]
        for one in subgraph.operators
        if is_op(tree, one, "READ_VARIABLE")
    }
    try:
        return {key: reads[index] for key, index in tensor_map(found.outputs).items()}
    except KeyError as error:
        raise PlanError("the plan's get_weights is not understood; export it again") from error


def assigned_variables(tree: Any) -> dict[str, list[str]]:
    """Key of each weight in `set_weights` to the names of the variables that it goes into as it is.

    More than one where the optimiser's state starts as a copy of the weight.
    """
    found = signature(tree, "set_weights")
    subgraph = tree.subgraphs[found.subgraphIndex]
    handles = variables_by_tensor(tree, subgraph)
    keys = {index: key for key, index in tensor_map(found.inputs).items()}
    names: dict[str, list[str]] = {key: [] for key in keys.values()}
    for operator in subgraph.operators:
        if is_op(tree, operator, "ASSIGN_VARIABLE") and int(operator.inputs[1]) in keys:
            names[keys[int(operator.inputs[1])]].append(handles[int(operator.inputs[0])])
    return names


def constant(tree: Any, tensor: Any) -> NDArray[Any] | None:
    """The value of a constant tensor; None for one that is computed."""
    data = tree.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type not in DTYPES:
        return None
    shape = [] if tensor.shape is None else [int(one) for one in tensor.shape]
    return np.ascontiguousarray(data, np.uint8).view(DTYPES[tensor.type]).reshape(shape)


def add_buffer(tree: Any, array: NDArray[Any]) -> int:
    """Append a buffer with the array's bytes and return its index."""
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    tree.buffers.append(buffer)
    return len(tree.buffers) - 1


def add_tensor(subgraph: Any, name: bytes, shape: Sequence[int], kind: int, buffer: int = 0) -> int:
    """Append a tensor of a `schema.TensorType` and return its index; buffer 0 is that of tensors that are computed."""
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.hasRank = name, np.asarray(shape, np.int32), True
    tensor.type, tensor.buffer = kind, buffer
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def new_operator(
    tree: Any, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, version: int = 1
) -> Any:
    """An operator such as "BATCH_MATMUL" with options such as `BatchMatMulOptionsT`, which is in no subgraph yet."""
    number = getattr(schema.BuiltinOperator, name)
    operator = schema.OperatorT()
    operator.opcodeIndex = _op_code_index(tree, number, version)
    operator.inputs, operator.outputs = list(inputs), list(outputs)
    if options is not None:
        operator.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return operator


def _op_code_index(tree: Any, number: int, version: int) -> int:
    for index, code in enumerate(tree.operatorCodes):
        if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == number and code.version == version:
            return index
    code = schema.OperatorCodeT()
    # Readers of old files know the deprecated field, an int8, alone.
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
    tree.operatorCodes.append(code)
    return len(tree.operatorCodes) - 1


def prune_tensors(tree: Any, subgraph: Any) -> None:
    """Drop the tensors of a subgraph that no operator, input or output uses."""
    used = {*walk(subgraph.inputs), *walk(subgraph.outputs)}
    for operator in subgraph.operators:
        used |= {*walk(operator.inputs), *walk(operator.outputs), *walk(operator.intermediates)}
    kept = sorted(used - {-1})
    places = {old: new for new, old in enumerate(kept)} | {-1: -1}
    subgraph.tensors = [subgraph.tensors[index] for index in kept]
    for one in (subgraph, *subgraph.operators):
        one.inputs = [places[index] for index in walk(one.inputs)]
        one.outputs = [places[index] for index in walk(one.outputs)]
    for operator in subgraph.operators:
        operator.intermediates = [places[index] for index in walk(operator.intermediates)]
    for one in tree.signatureDefs or []:
        if tree.subgraphs[one.subgraphIndex] is subgraph:
            for entry in (*one.inputs, *one.outputs):
                entry.tensorIndex = places[int(entry.tensorIndex)]


def merge_buffers(tree: Any) -> None:
    """Let constants of equal bytes share a buffer; those that are dropped have no users left."""
    kept: dict[bytes, int] = {}
    places = {
        index: kept.setdefault(hashlib.sha256(np.ascontiguousarray(one.data, np.uint8).data).digest(), index)
        for index, one in enumerate(tree.buffers)
        if one.data is not None and len(one.data)
    }
    for subgraph in tree.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = places.get(int(tensor.buffer), int(tensor.buffer))


def prune_buffers(tree: Any) -> None:
    """Drop the buffers that nothing points to; buffer 0 stays, empty, as the format wants it."""
    users = [*(tensor for subgraph in tree.subgraphs for tensor in subgraph.tensors), *(tree.metadata or [])]
    kept = [0, *sorted({int(one.buffer) for one in users} - {0})]
    places = {old: new for new, old in enumerate(kept)}
    for one in users:
        one.buffer = places[int(one.buffer)]
    tree.buffers = [tree.buffers[index] for index in kept]


def prune_op_codes(tree: Any) -> None:
    """Drop the operator codes that no operator uses."""
    operators = [operator for subgraph in tree.subgraphs for operator in subgraph.operators]
    kept = sorted({int(one.opcodeIndex) for one in operators})
    places = {old: new for new, old in enumerate(kept)}
    for one in operators:
        one.opcodeIndex = places[int(one.opcodeIndex)]
    tree.operatorCodes = [tree.operatorCodes[index] for index in kept]


def walk(values: Any) -> Iterator[int]:
    """The indices of a vector of the schema; -1 marks an optional input that is not there."""
    return (int(one) for one in ([] if values is None else values))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
