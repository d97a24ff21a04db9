"""The plan's own loss and metrics as functions of predictions, so that they measure any model's outputs.

`evaluate` is the forward pass of `infer` and, behind it, loss and metrics. The tensors of `evaluate` that are computed
as the outputs of `infer` are found by numbering values; cut off there, what is left takes predictions and targets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fieldfare.converters._flatbuffer import is_op, op_code, pack, parse, signature, tensor_map, walk
from fieldfare.converters.inference._graph import freeze, is_constant, keep_only, variable_values
from fieldfare.core.errors import PlanError
from fieldfare.core.metrics import MetricSum, add_metrics, means
from fieldfare.core.plans import Examples, PlanMetric, count_rows, read_manifest, runtime_version

_LEAST = 1e-7
"""What Keras takes for a probability of zero in a cross-entropy."""

_Number = Callable[[object], int]


class Scorer:
    """Loss and metrics of a plan for predictions that any model made.

    Args:
        plan: the whole plan.
        vector: `(total,)` float32 trained weights; where the loss has a penalty on them, it is of these.

    Attributes:
        names: of the loss and the metrics that can be computed of predictions.
        missing: of those that the plan computes of something else.

    Raises:
        PlanError: no plan, or one that is not understood.
        WeightsError: a vector of another length.
    """

    def __init__(self, plan: bytes, vector: NDArray[np.float32]) -> None:
        self._manifest = manifest = read_manifest(plan)
        tree = parse(plan)
        values = variable_values(tree, manifest, vector)
        found, inferred = signature(tree, "evaluate"), signature(tree, "infer")
        for one in (found, inferred):
            freeze(tree, tree.subgraphs[one.subgraphIndex], values)
        self._cuts = {cut.name: cut for cut in _cuts(tree, found, inferred)}
        self._metrics = _keep_metrics(tree, found, self._cuts, manifest.evaluated)
        self.names = tuple(one.name for one in self._metrics)
        self.missing = tuple(name for name in manifest.metric_names if name not in self.names)
        self._runner: Any = _runner(tree, found) if self._metrics else None

    def score(self, predictions: Examples, targets: Examples) -> dict[str, float]:
        """Means over examples of the loss and the metrics in `names`; without a ratio that divides by zero.

        Args:
            predictions: output name to `(n, *shape)` float32.
            targets: target name to `(n, *shape)`, checked.

        Raises:
            PlanError: the runtime fails.
        """
        if self._runner is None:
            return {}
        columns = self._columns(predictions, targets)
        rows, batch, parts = count_rows(predictions), self._manifest.batch_size, []
        for start in range(0, rows, batch):
            feeds = {key: _filled(array[start : start + batch], batch) for key, array in columns.items()}
            feeds["example_weight"] = (np.arange(batch) < rows - start).astype(np.float32)
            try:
                outputs = self._runner(**feeds)
            except (RuntimeError, ValueError) as error:
                raise PlanError(f"{runtime_version()} failed in the plan's metrics: {error}") from error
            parts.append(
                {one.name: MetricSum(float(outputs[one.key]), float(outputs[one.weight_key])) for one in self._metrics}
            )
        return means(add_metrics(parts))

    def _columns(self, predictions: Examples, targets: Examples) -> dict[str, NDArray[Any]]:
        """What the graph takes, beside the examples' weights."""
        by_key = {one.key: predictions[one.spec.name] for one in self._manifest.outputs}
        columns = {name: cut.undo(by_key[cut.output]) for name, cut in self._cuts.items()}
        columns |= {one.key: targets[one.spec.name] for one in self._manifest.targets}
        taken = self._runner.get_input_details()
        return {key: array for key, array in columns.items() if key in taken}


def _filled(array: NDArray[Any], batch: int) -> NDArray[Any]:
    return np.concatenate([array, np.repeat(array[:1], batch - len(array), axis=0)])


@dataclass(frozen=True, slots=True)
class _Cut:
    """A tensor of `evaluate` that a prediction takes the place of.

    Attributes:
        name: the input's in the graph that is left.
        output: key of the model's output.
        tensor: its index.
        undo: from the output to the tensor's value.
    """

    name: str
    output: str
    tensor: int
    undo: Callable[[NDArray[Any]], NDArray[Any]]


def _same(output: NDArray[Any]) -> NDArray[Any]:
    return output


def _logarithm(output: NDArray[Any]) -> NDArray[Any]:
    """Logits whose softmax is `output`."""
    return np.asarray(np.log(np.maximum(output, np.float32(_LEAST))))


def _logit(output: NDArray[Any]) -> NDArray[Any]:
    """Logits whose sigmoid is `output`."""
    kept = np.clip(output, np.float32(_LEAST), np.float32(1 - _LEAST))
    return np.asarray(np.log(kept) - np.log1p(-kept))


_UNDO = {"SOFTMAX": _logarithm, "LOGISTIC": _logit}


def _cuts(tree: Any, found: Any, inferred: Any) -> Iterator[_Cut]:
    """Where `evaluate` has the outputs of `infer`, or what goes into the softmax or sigmoid that they end in.

    The second since a cross-entropy is computed of logits, and the largest of them is the largest of the outputs.
    """
    graph, other = (tree.subgraphs[one.subgraphIndex] for one in (found, inferred))
    number = _numbering()
    mine = {value: index for index, value in _numbers(tree, graph, tensor_map(found.inputs), number).items()}
    theirs = _numbers(tree, other, tensor_map(inferred.inputs), number)
    makers = {int(operator.outputs[0]): operator for operator in other.operators}
    for key, index in tensor_map(inferred.outputs).items():
        if theirs[index] in mine:
            yield _Cut(key, key, mine[theirs[index]], _same)
        for name, undo in _UNDO.items():
            maker = makers.get(index)
            if maker is not None and is_op(tree, maker, name) and theirs[int(maker.inputs[0])] in mine:
                yield _Cut(f"{key}_logits", key, mine[theirs[int(maker.inputs[0])]], undo)


def _numbering() -> _Number:
    """Equal things get equal numbers."""
    seen: dict[object, int] = {}
    return lambda thing: seen.setdefault(thing, len(seen))


def _numbers(tree: Any, subgraph: Any, inputs: dict[str, int], number: _Number) -> dict[int, int]:
    """Tensor to a number that says how its value comes about: equal numbers, equal values."""
    found = {index: number(("input", key)) for key, index in inputs.items()}
    for operator in subgraph.operators:
        for index in {*walk(operator.inputs)} - {-1, *found}:
            tensor = subgraph.tensors[index]
            # A tensor without a value that nothing computes is equal to itself alone.
            value: object = object()
            if is_constant(tree, subgraph, index):
                value = np.asarray(tree.buffers[tensor.buffer].data, np.uint8).tobytes()
            found[index] = number((int(tensor.type), tuple(walk(tensor.shape)), value))
        options = sorted(vars(operator.builtinOptions).items()) if operator.builtinOptions else []
        taken = tuple(found.get(index, index) for index in walk(operator.inputs))
        for place, index in enumerate(walk(operator.outputs)):
            found[index] = number((op_code(tree, operator), str(options), taken, place))
    return found


def _keep_metrics(
    tree: Any, found: Any, cuts: dict[str, _Cut], metrics: tuple[PlanMetric, ...]
) -> tuple[PlanMetric, ...]:
    """Make `evaluate` a graph of predictions and targets; returns the metrics that it still gives."""
    subgraph = tree.subgraphs[found.subgraphIndex]
    given, results = tensor_map(found.inputs), tensor_map(found.outputs)
    features = {index for key, index in given.items() if key.startswith("input_")}
    tops = {cut.tensor for cut in cuts.values()}
    kept = tuple(
        one for one in metrics if not features & _needs(subgraph, {results[one.key], results[one.weight_key]}, tops)
    )
    keys = {key for one in kept for key in (one.key, one.weight_key)}
    found.outputs = [_entry(key, index) for key, index in results.items() if key in keys]
    subgraph.outputs = [entry.tensorIndex for entry in found.outputs]
    needed = _needs(subgraph, set(subgraph.outputs), tops) | {given["example_weight"]}
    feeds = given | {name: cut.tensor for name, cut in cuts.items()}
    found.inputs = [_entry(key, index) for key, index in feeds.items() if index in needed - features]
    subgraph.inputs = [entry.tensorIndex for entry in found.inputs]
    subgraph.operators = [one for one in subgraph.operators if not tops & set(walk(one.outputs))]
    return kept


def _entry(key: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = key.encode(), index
    return entry


def _needs(subgraph: Any, wanted: set[int], tops: set[int]) -> set[int]:
    """The tensors of which `wanted` are computed, they themselves among them; not beyond `tops`."""
    needed = set(wanted)
    for operator in reversed(subgraph.operators):
        if (needed - tops) & set(walk(operator.outputs)):
            needed |= set(walk(operator.inputs))
    return needed


def _runner(tree: Any, found: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    keep_only(tree, found)
    try:
        return Interpreter(model_content=pack(tree), num_threads=1).get_signature_runner()
    except (RuntimeError, ValueError) as error:
        raise PlanError(f"{runtime_version()} cannot load the plan's metrics: {error}") from error
