"""Cheap operations of the forward pass that the backward pass computes again instead of keeping their results.

An activation such as gelu leaves four arrays of a layer's widest shape for its gradient, all of them element by element
from one. Kept is that one; the others are made again where the backward pass of the layer begins.
"""

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from fieldfare.converters._flatbuffer import constant, is_op, walk
from fieldfare.converters.freezing._chain import Chain

_CHEAP = ("ADD", "MUL", "SUB", "SQUARE", "TANH", "LOGISTIC")
_LARGE_ELEMENTS = 1 << 16
_KEPT_FOR = 100  # operators between two uses of a value that is kept for the backward pass
_CUBE = 3.0


@dataclass(frozen=True, slots=True)
class _Flow:
    """Who makes and who uses the tensors of a subgraph, as positions of its operators."""

    operators: list[Any]
    makers: dict[int, int]
    uses: dict[int, list[int]]


def products_for_cubes(tree: Any, subgraph: Any) -> None:
    """Write `x^3` as `x * x * x`: XNNPACK has no POW, so that each would split the graph."""
    operators = []
    for operator in subgraph.operators:
        exponent = constant(tree, subgraph.tensors[operator.inputs[1]]) if is_op(tree, operator, "POW") else None
        if exponent is None or exponent.size != 1 or exponent.item() != _CUBE:
            operators.append(operator)
            continue
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        chain = Chain(tree, subgraph, source, subgraph.tensors[output].name)
        chain.multiply(source)
        chain.multiply(source)
        operators.extend(chain.end(output))
    subgraph.operators = operators


def recompute(tree: Any, subgraph: Any) -> None:
    """Let the subgraph compute large cheap values again rather than keep them; its results stay the same to the bit."""
    flow = _flow(subgraph)
    before: dict[int, list[Any]] = defaultdict(list)
    for root, members in _groups(tree, subgraph, flow).items():
        begin = min(_late(flow, one)[0] for one in members)
        anchor = _anchor(subgraph, flow, begin, members)
        kept_anyway = flow.uses[root][-1] >= begin
        if anchor is not None and len(members) + kept_anyway > 1:
            before[begin].extend(_again(tree, subgraph, flow, root, members, anchor))
    operators = [one for index, old in enumerate(flow.operators) for one in (*before[index], old)]
    used = {*walk(subgraph.outputs), *(index for one in operators for index in walk(one.inputs))}
    subgraph.operators = [one for one in operators if not _is_cheap(tree, one) or int(one.outputs[0]) in used]


def _flow(subgraph: Any) -> _Flow:
    makers, uses = {}, defaultdict(list)
    for index, operator in enumerate(subgraph.operators):
        for tensor in walk(operator.inputs):
            uses[tensor].append(index)
        for tensor in walk(operator.outputs):
            makers[tensor] = index
    return _Flow(list(subgraph.operators), makers, uses)


def _groups(tree: Any, subgraph: Any, flow: _Flow) -> dict[int, list[int]]:
    """Large value to the kept values that follow from it alone, by cheap operations."""
    roots: dict[int, int] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    results = set(walk(subgraph.outputs))
    for operator in flow.operators:
        for output in walk(operator.outputs):
            if not _is_large(subgraph, output):
                continue
            large = {roots.get(one, one) for one in walk(operator.inputs) if _is_large(subgraph, one)}
            follows = _is_cheap(tree, operator) and len(large) == 1 and large <= flow.makers.keys()
            roots[output] = large.pop() if follows else output
            if follows and _late(flow, output) and output not in results:
                groups[roots[output]].append(output)
    return groups


def _late(flow: _Flow, tensor: int) -> list[int]:
    """Positions of the uses by the backward pass; none where all are near each other."""
    times = [flow.makers[tensor], *flow.uses[tensor]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if not gaps or max(gaps) < _KEPT_FOR:
        return []
    return times[gaps.index(max(gaps)) + 1 :]


def _anchor(subgraph: Any, flow: _Flow, begin: int, members: list[int]) -> int | None:
    """A value of the backward pass that the first use of a kept value waits for anyway."""
    forward = max(flow.makers[one] for one in members)
    for one in walk(flow.operators[begin].inputs):
        if _is_large(subgraph, one) and flow.makers.get(one, 0) > forward:
            return one
    return None


def _again(tree: Any, subgraph: Any, flow: _Flow, root: int, members: list[int], anchor: int) -> list[Any]:
    """The operators that make the members again once the anchor is there; late uses then take what they make."""
    start = Chain(tree, subgraph, anchor, subgraph.tensors[root].name + b"/again")
    start.zero()
    zero = start.value
    start.value = root
    start.add(zero, schema.ActivationFunctionType.NONE)
    made, operators = {root: start.value}, start.operators

    def remake(tensor: int) -> int:
        if tensor not in made:
            operator = flow.operators[flow.makers[tensor]]
            inputs = [remake(one) if _is_large(subgraph, one) else one for one in walk(operator.inputs)]
            chain = Chain(tree, subgraph, tensor, subgraph.tensors[tensor].name + b"/again")
            name = next(name for name in _CHEAP if is_op(tree, operator, name))
            chain.then(name, inputs, chain.shape, operator.builtinOptions)
            operators.extend(chain.operators)
            made[tensor] = chain.value
        return made[tensor]

    for member in members:
        new = remake(member)
        for place in _late(flow, member):
            operator = flow.operators[place]
            operator.inputs = [new if one == member else one for one in walk(operator.inputs)]
    return operators


def _is_cheap(tree: Any, operator: Any) -> bool:
    return any(is_op(tree, operator, name) for name in _CHEAP)


def _is_large(subgraph: Any, tensor: int) -> bool:
    if tensor < 0:
        return False
    found = subgraph.tensors[tensor]
    return found.type == schema.TensorType.FLOAT32 and math.prod(walk(found.shape)) >= _LARGE_ELEMENTS
