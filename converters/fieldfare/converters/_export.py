"""Keras model to plan: checks, traces, converts, tries the plan out, and only then writes it."""

import math
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fieldfare.converters._blame import op_problems
from fieldfare.converters._checks import flat_layers, model_problems
from fieldfare.converters._convert import MissingBuiltinsError, convert
from fieldfare.converters._dropout import dropout_layers
from fieldfare.converters._names import weight_tensors
from fieldfare.converters._signatures import trace_signatures
from fieldfare.converters._training import Training, resolve_training
from fieldfare.core.errors import ConfigError, ModelError, PlanError
from fieldfare.core.files import check_writable, write_atomically
from fieldfare.core.plans import Manifest, PlanMetric, PlanRuntime, attach_manifest, runtime_version

MAX_BATCH_SIZE = 65_536
_TRACE_ERRORS = (ValueError, TypeError, LookupError, NotImplementedError, AttributeError, tf.errors.OpError)
_CANNOT = "the model cannot be exported:"


def export_keras(
    model: Any,
    path: str | Path,
    *,
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    batch_size: int = 16,
    learning_rate: float | None = None,
    gradients: bool = False,
    name: str | None = None,
) -> Manifest:
    """Export a Keras model as a plan that trains on a stock LiteRT runtime.

    Before the file appears at `path` the plan has been run, with delegates and without: its weights are the model's
    bit for bit, and a training step and the other signatures give finite numbers. The model is left as it was.

    Args:
        model: a built functional or sequential model. Its trainable weights travel; frozen ones rest in the plan.
        path: the `.tflite` file to write; replaced only on success.
        loss: Keras name, object or function; a list or dict for several outputs. Default: the compiled one.
        optimizer: Keras name or object, which devices run. Default: the compiled one, else SGD.
        metrics: Keras names, objects or functions that are means over examples. Default: the compiled ones.
        batch_size: examples of one training step; a last batch may be shorter.
        learning_rate: used where a task gives none. Default: the optimiser's own.
        gradients: also export the signature `gradients`, for tasks that report gradients instead of weights.
        name: the plan's name. Default: the model's.

    Returns:
        The manifest that the plan carries.

    Raises:
        ConfigError: a batch size below 1 or above 65,536, a learning rate that is not positive.
        ModelError: everything about the model, loss, metrics and optimiser that cannot be exported.
        StorageError: `path` cannot be written.
    """
    target = Path(path)
    _check_numbers(batch_size, learning_rate)
    check_writable(target)
    problems = model_problems(model)
    training = None
    if isinstance(model, keras.Model) and getattr(model, "outputs", None):
        training = resolve_training(
            model, loss=loss, metrics=metrics, optimizer=optimizer, learning_rate=learning_rate, problems=problems
        )
    if training is None:
        raise ModelError(_CANNOT, tuple(problems))
    flatbuffer = _flatbuffer(model, training, problems, batch_size=batch_size, gradients=gradients)
    manifest = _manifest(model, training, name=name or model.name, batch_size=batch_size, gradients=gradients)
    plan = attach_manifest(flatbuffer, manifest)
    _try_out(model, plan)
    write_atomically(target, plan)
    return manifest


def _check_numbers(batch_size: int, learning_rate: float | None) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise ConfigError(f"must be a whole number from 1 to {MAX_BATCH_SIZE}, got {batch_size!r}", field="batch_size")
    if learning_rate is not None and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ConfigError(f"must be a positive number, got {learning_rate!r}", field="learning_rate")


def _flatbuffer(model: Any, training: Training, known: list[str], *, batch_size: int, gradients: bool) -> bytes:
    """Trace and convert, also a model with known problems, so that the error names whatever else is wrong with it."""
    problems = list(known)
    if known and not _traceable(model):
        raise ModelError(_CANNOT, tuple(known))
    try:
        traced = trace_signatures(model, training, weight_tensors(model), batch_size=batch_size, gradients=gradients)
    except _TRACE_ERRORS as error:
        # Safe: with known problems a failing trace is their consequence.
        problems = problems or [f"TensorFlow cannot trace a training step: {_short(error)}"]
        raise ModelError(_CANNOT, tuple(problems)) from error
    problems.extend(one for one in traced.problems if not any(_same_layer(one, other) for other in known))
    try:
        flatbuffer = convert(traced)
    except MissingBuiltinsError as error:
        graphs = [one.graph for one in traced.signatures.values()]
        problems.extend(op_problems(error.op_types, graphs, traced.owners, problems))
        raise ModelError(_CANNOT, tuple(problems)) from None
    except ModelError:
        if not problems:
            raise
    if problems:
        raise ModelError(_CANNOT, tuple(problems))
    return flatbuffer


def _traceable(model: Any) -> bool:
    """Whether the shapes and types allow a trace at all."""
    tensors = [*model.inputs, *model.outputs]
    dense = all(tensor.shape[0] is None and None not in tensor.shape[1:] for tensor in tensors)
    return dense and bool(model.trainable_variables) and all(tensor.dtype != "string" for tensor in model.inputs)


def _same_layer(problem: str, other: str) -> bool:
    return problem.split(")", 1)[0] == other.split(")", 1)[0]


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _manifest(model: Any, training: Training, *, name: str, batch_size: int, gradients: bool) -> Manifest:
    notes = []
    if layers := dropout_layers(model):
        names = ", ".join(layer.name for layer in layers)
        notes.append(f"{names}: the masks are the plan's own, and repeat with step and input; Keras draws others")
    tables = [one.name for one in flat_layers(model) if isinstance(one, keras.layers.Embedding) and one.trainable]
    if tables and not isinstance(training.optimizer, keras.optimizers.SGD):
        notes.append(
            f"{', '.join(tables)}: gradients of a row that occurs several times in a batch are summed before the "
            "optimizer squares them; Keras on TensorFlow squares them one by one"
        )
    made_with = tuple(f"{package} {metadata.version(package)}" for package in ("fieldfare", "tensorflow", "keras"))
    return Manifest(
        name=name,
        batch_size=batch_size,
        inputs=training.inputs,
        targets=training.targets,
        outputs=training.outputs,
        weights=weight_tensors(model),
        loss=training.loss_name,
        metrics=tuple(PlanMetric(one.name, f"metric_{index}") for index, one in enumerate(training.metrics)),
        optimizer=training.optimizer.name,
        learning_rate=training.learning_rate,
        has_gradients=gradients,
        tried_on=(runtime_version(),),
        made_with=made_with,
        notes=tuple(notes),
    )


def _try_out(model: Any, plan: bytes) -> None:
    """Run every signature once, without delegates and with them.

    Raises:
        ModelError: the runtime refuses the plan, other weights come out than went in, or a result is not finite.
    """
    expected = np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])
    tables = [layer.input_dim for layer in flat_layers(model) if isinstance(layer, keras.layers.Embedding)]
    top = min(tables, default=2) - 1
    for delegates in (False, True):
        try:
            _run_once(PlanRuntime(plan, delegates=delegates), expected, top)
        except PlanError as error:
            kind = "with" if delegates else "without"
            raise ModelError(f"the plan was made but does not run {kind} delegates: {error}") from error


def _run_once(runtime: PlanRuntime, expected: NDArray[np.float32], top: int) -> None:
    manifest = runtime.manifest
    if not np.array_equal(runtime.get_weights(), expected):
        raise PlanError("its weights are not the model's")
    # Ones rather than zeros: an example of zeros may be masked throughout, and a target of zeros has no direction;
    # neither has a loss that is a number.
    inputs = {spec.name: np.full((1, *spec.shape), min(1, top), spec.dtype) for spec in manifest.input_specs}
    examples = inputs | {
        one.spec.name: np.full((1, *one.spec.shape), one.spec.dtype == "float32", one.spec.dtype)
        for one in manifest.targets
    }
    numbers = [runtime.train_step(examples, learning_rate=manifest.learning_rate)]
    runtime.set_weights(expected)
    if not np.array_equal(runtime.get_weights(), expected):
        raise PlanError("set_weights does not set the weights")
    numbers.extend(one.sum for one in runtime.evaluate_step(examples).values())
    runtime.infer(inputs)
    if manifest.has_gradients:
        vector, loss = runtime.gradients_step(examples)
        numbers.extend((loss, float(np.abs(vector).sum())))
    if not np.isfinite(numbers).all():
        raise PlanError("a step on an example of ones gives numbers that are not finite")
