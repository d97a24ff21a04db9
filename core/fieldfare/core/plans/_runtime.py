"""Runs the signatures of a plan on a stock LiteRT runtime."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import DataError, PlanError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.plans._container import read_manifest
from fieldfare.core.plans._examples import Examples, count_rows
from fieldfare.core.plans._manifest import PlanTensor
from fieldfare.core.weights import join_tensors, split_vector

_INFER_ONE = "infer_one"


@cache
def runtime_version() -> str:
    """Such as "ai-edge-litert 2.3.0": what a device reports at check-in and what an exporter tried."""
    from importlib import metadata

    return f"ai-edge-litert {metadata.version('ai-edge-litert')}"


class PlanRuntime:
    """A plan loaded into a LiteRT interpreter, with its weights and optimiser state.

    Batches shorter than the plan's batch size are padded here with copies of their first example, whose weight is zero:
    the step is exactly that of the short batch. Not thread-safe.

    Args:
        model: the plan's bytes, or the path of a file that LiteRT maps into memory.
        num_threads: threads of the interpreter.
        delegates: False runs without XNNPACK; slower, and strict about uninitialised variables.

    Raises:
        PlanError: not a usable plan, or one that this runtime cannot prepare.
    """

    def __init__(self, model: bytes | Path, *, num_threads: int = 1, delegates: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.manifest = read_manifest(model)
        kind = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        try:
            self._interpreter = Interpreter(num_threads=num_threads, experimental_op_resolver_type=kind, **source)
            self._runners: dict[str, Any] = {
                name: self._interpreter.get_signature_runner(name) for name in self._interpreter.get_signature_list()
            }
        except (RuntimeError, ValueError) as error:
            raise PlanError(f"{runtime_version()} cannot load the plan: {error}") from error
        self._check_signatures()

    def get_weights(self) -> NDArray[np.float32]:
        """The trainable weights as a new flat vector, `(total,)` float32, in the manifest's order."""
        outputs = self._run("get_weights")
        specs = self.manifest.weight_specs
        return join_tensors(specs, {one.spec.name: outputs[one.key] for one in self.manifest.weights})

    def set_weights(self, vector: NDArray[np.float32]) -> None:
        """Replace the trainable weights and reset the optimiser's state (momentum, iteration).

        Raises:
            WeightsError: a vector of another length.
        """
        tensors = split_vector(self.manifest.weight_specs, vector)
        self._run("set_weights", **{one.key: tensors[one.spec.name] for one in self.manifest.weights})

    def train_step(self, examples: Examples, *, learning_rate: float) -> float:
        """One optimiser step on up to `batch_size` checked examples; returns their mean loss before the step."""
        feeds = self._feeds((*self.manifest.inputs, *self.manifest.targets), examples)
        outputs = self._run("train", **feeds, learning_rate=np.float32(learning_rate))
        return float(outputs["loss"])

    def gradients_step(self, examples: Examples) -> tuple[NDArray[np.float32], float]:
        """Gradient of the mean loss over up to `batch_size` examples, `(total,)` float32, and that mean loss.

        Raises:
            PlanError: the plan was exported without `gradients`.
        """
        if not self.manifest.has_gradients:
            raise PlanError("the plan has no signature gradients: export it with gradients=True (--gradients)")
        outputs = self._run("gradients", **self._feeds((*self.manifest.inputs, *self.manifest.targets), examples))
        specs = self.manifest.weight_specs
        vector = join_tensors(specs, {one.spec.name: outputs[one.key] for one in self.manifest.weights})
        return vector, float(outputs["loss"])

    def evaluate_step(self, examples: Examples) -> dict[str, MetricSum]:
        """Sums of loss and metrics over up to `batch_size` examples, each with what it is divided by.

        The weight of a mean over examples is their count. A ratio (precision, recall) may have the weight 0.
        """
        outputs = self._run("evaluate", **self._feeds((*self.manifest.inputs, *self.manifest.targets), examples))
        return {
            one.name: MetricSum(float(outputs[one.key]), float(outputs[one.weight_key]))
            for one in self.manifest.evaluated
        }

    def get_state(self) -> dict[str, NDArray[Any]]:
        """The local optimiser's variables by name: momentum, iteration and the like; empty for plans without them."""
        if not self.manifest.state:
            return {}
        outputs = self._run("get_state")
        return {one.spec.name: outputs[one.key] for one in self.manifest.state}

    @property
    def has_settable_state(self) -> bool:
        """Whether training can go on from weights and state that were read before: not with plans of older versions."""
        return not self.manifest.state or "set_state" in self._runners

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `get_state` gave. Call it after `set_weights`, which puts the state back to its start.

        Raises:
            PlanError: other variables than the plan's, or a plan of an older version, which has no `set_state`.
        """
        if not self.has_settable_state:
            raise PlanError("the plan has no signature set_state: export it again")
        feeds = {one.key: state.get(one.spec.name) for one in self.manifest.state}
        fits = (
            found is not None and (found.shape, found.dtype.name) == (one.spec.shape, one.spec.dtype)
            for one, found in zip(self.manifest.state, feeds.values(), strict=True)
        )
        if len(state) != len(feeds) or not all(fits):
            raise PlanError("the state is not one of this plan's")
        if feeds:
            self._run("set_state", **feeds)

    def infer(self, inputs: Examples) -> dict[str, NDArray[Any]]:
        """Outputs for any number of checked examples: output name to `(n, *shape)`.

        A single one goes through `infer_one`, where the plan has it: a whole batch would take that many times as long.
        """
        rows, batch = count_rows(inputs), self.manifest.batch_size
        if rows == 1 and _INFER_ONE in self._runners:
            feeds = {one.key: np.ascontiguousarray(inputs[one.spec.name]) for one in self.manifest.inputs}
            outputs = self._run(_INFER_ONE, **feeds)
            return {one.spec.name: outputs[one.key] for one in self.manifest.outputs}
        pieces: list[dict[str, NDArray[Any]]] = []
        for start in range(0, rows, batch):
            part = {name: array[start : start + batch] for name, array in inputs.items()}
            feeds = self._feeds(self.manifest.inputs, part)
            del feeds["example_weight"]
            outputs = self._run("infer", **feeds)
            kept = min(batch, rows - start)
            pieces.append({one.spec.name: outputs[one.key][:kept] for one in self.manifest.outputs})
        return {
            one.spec.name: np.concatenate([piece[one.spec.name] for piece in pieces]) for one in self.manifest.outputs
        }

    def _check_signatures(self) -> None:
        """Refuse a plan whose manifest names what its graph does not give."""
        weights = {one.key for one in self.manifest.weights}
        needed = {
            "train": {"loss"},
            "evaluate": {key for one in self.manifest.evaluated for key in (one.key, one.weight_key)},
            "infer": {one.key for one in self.manifest.outputs},
            "get_weights": weights,
            "set_weights": set(),
        }
        if self.manifest.has_gradients:
            needed["gradients"] = {"loss", *weights}
        if self.manifest.state:
            needed["get_state"] = {one.key for one in self.manifest.state}
        if missing := sorted(set(needed) - set(self._runners)):
            raise PlanError(f"the plan has no signature {', '.join(missing)}; export it again")
        signatures = self._interpreter.get_signature_list()
        for name, keys in needed.items():
            if absent := sorted(keys - set(signatures[name]["outputs"])):
                raise PlanError(f"the plan's signature {name} does not give {', '.join(absent)}; export it again")

    def _feeds(self, tensors: Sequence[PlanTensor], examples: Examples) -> dict[str, NDArray[Any]]:
        batch, rows = self.manifest.batch_size, count_rows(examples)
        if not 1 <= rows <= batch:
            raise DataError(f"a step takes 1 to {batch} examples, got {rows}")
        weight = np.zeros(batch, np.float32)
        weight[:rows] = 1.0
        feeds: dict[str, NDArray[Any]] = {"example_weight": weight}
        for tensor in tensors:
            array = examples[tensor.spec.name]
            if rows < batch:
                array = np.concatenate([array, np.broadcast_to(array[:1], (batch - rows, *array.shape[1:]))])
            feeds[tensor.key] = np.ascontiguousarray(array)
        return feeds

    def _run(self, signature: str, **feeds: Any) -> dict[str, NDArray[Any]]:
        try:
            outputs: dict[str, NDArray[Any]] = self._runners[signature](**feeds)
        except (RuntimeError, ValueError) as error:
            raise PlanError(f"{runtime_version()} failed in {signature!r}: {error}") from error
        return outputs
