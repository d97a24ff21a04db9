"""Runs an inference model on examples by name, whatever its batch size and its number formats."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import PlanError
from fieldfare.core.plans import Examples, count_rows, runtime_version
from fieldfare.core.weights import TensorSpec


class InferenceModel:
    """A `.tflite` with one signature and a static batch, in a LiteRT interpreter. Not thread-safe.

    Where an input or output is int8 with a scale, floats are taken and given all the same.

    Args:
        model: the whole file.
        delegates: False runs without XNNPACK.

    Raises:
        PlanError: no such model, or one that this runtime cannot prepare.
    """

    def __init__(self, model: bytes, *, delegates: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kind)
            interpreter.allocate_tensors()
            self._runner: Any = interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise PlanError(f"{runtime_version()} cannot load the inference model: {error}") from error
        # The runner names the tensors, the interpreter knows their order.
        order = [int(one["index"]) for one in interpreter.get_input_details()]
        self._inputs = dict(
            sorted(self._runner.get_input_details().items(), key=lambda one: order.index(int(one[1]["index"])))
        )
        self._outputs = self._runner.get_output_details()
        self.batch_size = int(next(iter(self._inputs.values()))["shape"][0])

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """Name, dtype and shape of one example's inputs, in the order of the model's tensors."""
        return tuple(
            TensorSpec(
                name, "float32" if _scaled(one) else np.dtype(one["dtype"]).name, tuple(map(int, one["shape"][1:]))
            )
            for name, one in self._inputs.items()
        )

    def batches(self, inputs: Examples) -> Iterator[dict[str, NDArray[Any]]]:
        """Checked inputs in batches of the model's size; the last is filled up with copies of its first example."""
        for start in range(0, count_rows(inputs), self.batch_size):
            part = {name: inputs[name][start : start + self.batch_size] for name in self._inputs}
            short = self.batch_size - count_rows(part)
            yield {
                name: np.concatenate([array, np.repeat(array[:1], short, axis=0)]) if short else array
                for name, array in part.items()
            }

    def predict(self, inputs: Examples) -> dict[str, NDArray[Any]]:
        """Outputs for any number of checked examples: output name to `(n, *shape)`, float32 where the model scales.

        Raises:
            PlanError: the runtime fails.
        """
        rows, pieces = count_rows(inputs), []
        for batch in self.batches(inputs):
            feeds = {name: _quantised(array, self._inputs[name]) for name, array in batch.items()}
            try:
                pieces.append(self._runner(**feeds))
            except (RuntimeError, ValueError) as error:
                raise PlanError(f"{runtime_version()} failed in the inference model: {error}") from error
        return {
            name: _real(np.concatenate([piece[name] for piece in pieces])[:rows], one)
            for name, one in self._outputs.items()
        }


def _scaled(detail: Any) -> bool:
    return bool(detail["dtype"] == np.int8 and detail["quantization"][0] > 0)


def _quantised(array: NDArray[Any], detail: Any) -> NDArray[Any]:
    if not _scaled(detail):
        return np.ascontiguousarray(array)
    scale, zero = detail["quantization"]
    return np.asarray(np.clip(np.rint(array / scale) + zero, -128, 127), np.int8)


def _real(array: NDArray[Any], detail: Any) -> NDArray[Any]:
    if not _scaled(detail):
        return array
    scale, zero = detail["quantization"]
    return np.asarray((array.astype(np.float32) - np.float32(zero)) * np.float32(scale))
