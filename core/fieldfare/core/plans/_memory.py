"""How much memory a device needs to train with a plan, read from its graphs before a runtime is made.

LiteRT gives each signature an arena in which tensors that do not live at the same time share their place; inputs and
outputs stay to the end. What lies in it at most follows from the order of the operators; fragments, and what XNNPACK
packs, come on top and are allowed for by a factor. `benchmarks/training/memory.py` compares the sums with processes.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.plans._manifest import Manifest

_RUNTIME_BYTES = 12_000_000
"""What a process grows by when it loads the runtime's libraries and the smallest plan."""
_WEIGHT_COPIES = 6
"""Checkpoint, tensors in and out of the runtime, weights before and after, and the update with its encoding."""
_ARENA_FACTOR = 1.5
_ALIGNMENT = 64
_BYTES = {"FLOAT32": 4, "FLOAT16": 2, "INT32": 4, "UINT32": 4, "INT16": 2, "INT8": 1, "UINT8": 1, "BOOL": 1}
_WIDEST = 8
"""Bytes of an element of a type that plans do not use today."""
_ALWAYS = ("evaluate", "get_weights", "set_weights")
_STEPS = ("train", "gradients")


def training_memory(model: bytes | Path, manifest: Manifest) -> int:
    """Bytes that loading the plan and training with it add to a process: an estimate, seldom too low.

    Args:
        model: a plan that was checked, or its path.
        manifest: the plan's.
    """
    peaks = _peaks(model)
    arenas = max(peaks.get(name, 0) for name in _STEPS) + sum(peaks.get(name, 0) for name in _ALWAYS)
    weights = sum(4 * one.spec.size for one in manifest.weights)
    state = sum(np.dtype(one.spec.dtype).itemsize * one.spec.size for one in manifest.state)
    size = model.stat().st_size if isinstance(model, Path) else len(model)
    return _RUNTIME_BYTES + size + (1 + _WEIGHT_COPIES) * weights + state + math.ceil(_ARENA_FACTOR * arenas)


def _peaks(model: bytes | Path) -> dict[str, int]:
    """Name of a signature to the bytes that its tensors take at the moment when they take most."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    data = np.memmap(model, np.uint8, "r").data if isinstance(model, Path) else memoryview(model)
    tree = schema.Model.GetRootAs(data, 0)
    signatures = (tree.SignatureDefs(index) for index in range(tree.SignatureDefsLength()))
    wanted = {one.SignatureKey().decode(): one.SubgraphIndex() for one in signatures}
    return {
        name: _peak(tree, tree.Subgraphs(index), names) for name, index in wanted.items() if name in {*_STEPS, *_ALWAYS}
    }


def _peak(tree: Any, graph: Any, names: dict[int, str]) -> int:
    """The most that lives at once: a tensor lives from the operator that makes it to the last one that reads it."""
    steps = graph.OperatorsLength()
    first, last = np.full(graph.TensorsLength(), -1), np.full(graph.TensorsLength(), -1)
    for step in range(steps):
        operator = graph.Operators(step)
        made, read = _indices(operator.OutputsAsNumpy()), _indices(operator.InputsAsNumpy())
        first[made] = np.where(first[made] < 0, step, first[made])
        last[np.concatenate([made, read])] = step
    inputs, outputs = _indices(graph.InputsAsNumpy()), _indices(graph.OutputsAsNumpy())
    first[inputs] = 0
    last[np.concatenate([inputs, outputs])] = steps
    change = np.zeros(steps + 2, np.int64)
    for index in np.flatnonzero(first >= 0):
        size = _size(tree, graph.Tensors(int(index)), names)
        change[first[index]] += size
        change[last[index] + 1] -= size
    return int(np.cumsum(change).max())


def _size(tree: Any, tensor: Any, names: dict[int, str]) -> int:
    """Bytes of a tensor in the arena; none for a constant, which lies in the file, and for a variable's handle."""
    kind = names.get(tensor.Type(), "")
    if kind == "RESOURCE" or tree.Buffers(tensor.Buffer()).DataLength():
        return 0
    elements: int = math.prod(_indices(tensor.ShapeAsNumpy()).tolist())
    return -(-elements * _BYTES.get(kind, _WIDEST) // _ALIGNMENT) * _ALIGNMENT


def _indices(numbers: Any) -> NDArray[np.intp]:
    """A vector of the flatbuffer, without the -1 of absent inputs; an absent vector reads as 0."""
    found = np.atleast_1d(np.asarray(numbers if not isinstance(numbers, int) else (), np.intp))
    return found[found >= 0]
