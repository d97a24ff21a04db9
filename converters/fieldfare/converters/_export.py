"""Keras model to plan: checks, traces, converts, tries the plan out, and only then writes it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from numbers import Real
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
from numpy.typing import NDArray

from fieldfare.converters._convert import MissingBuiltinsError, convert
from fieldfare.converters.freezing import FrozenDtype, freeze_constants
from fieldfare.converters.lowerings.random import random_layers
from fieldfare.converters.models import (
    Selection,
    flat_layers,
    functional_form,
    model_problems,
    selected,
    trainable_rules,
)
from fieldfare.converters.tracing import Traced, op_problems, trace_signatures
from fieldfare.converters.training import Training, resolve_training
from fieldfare.core.errors import ConfigError, ModelError, PlanError
from fieldfare.core.files import check_writable, write_atomically
from fieldfare.core.plans import (
    MAX_BATCH_SIZE,
    Manifest,
    PlanMetric,
    PlanRuntime,
    WeightRole,
    attach_manifest,
    runtime_version,
    training_memory,
)

_LARGE = 20_000_000  # weights
_CANNOT = "the model cannot be exported:"
_NOT_FINITE = "holds NaN or infinite values: load or initialise the model again"


def export_keras(
    model: Any,
    path: str | Path,
    *,
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    batch_size: int = 16,
    trainable: Any = None,
    inputs: Any = None,
    frozen_dtype: FrozenDtype = "float32",
    learning_rate: float | None = None,
    gradients: bool = False,
    name: str | None = None,
) -> Manifest:
    """Export a Keras model as a plan that trains on a stock LiteRT runtime.

    Before the file appears at `path` the plan has been run, with delegates and without: its weights are the model's
    bit for bit, and a training step and the other signatures give finite numbers. The model is left as it was.

    Args:
        model: any Keras model of fixed shapes: functional, sequential or subclassed.
        path: the `.tflite` file to write; replaced only on success.
        loss: Keras name, object or function; a list or dict for several outputs. Default: the compiled one.
        optimizer: Keras name or object, which devices run. Default: the compiled one, else SGD.
        metrics: Keras names, objects or functions that are means over examples, or precision and recall. Default: the
            compiled ones.
        batch_size: examples of one training step; a last batch may be shorter.
        trainable: which weights train and travel; the others rest in the plan. Patterns of layer names ("head*"),
            "last:2" or 2 for the last two layers with weights, "lora:8" for low-rank adapters of rank 8 on the queries
            and values of attention (where there is none: on all dense layers), "lora:8:PATTERN" on layers by name; or a
            list of these. Default: as the model's own `trainable` flags say.
        inputs: what a subclassed model takes: `keras.Input`s, or shapes. Default: what it was built with.
        frozen_dtype: "int8" stores frozen kernels and embedding tables in a quarter of the size, and rounds what is
            multiplied with them: for large models on small devices.
        learning_rate: used where a task gives none. Default: the optimiser's own.
        gradients: also export the signature `gradients`, for tasks that report gradients instead of weights.
        name: the plan's name. Default: the model's.

    Returns:
        The manifest that the plan carries.

    Raises:
        ConfigError: a batch size below 1 or above 65,536, a learning rate that is not positive, `trainable` that names
            no layer or is not understood, inputs that are none, another `frozen_dtype`.
        ModelError: everything about the model, loss, metrics and optimiser that cannot be exported.
        StorageError: `path` cannot be written.
    """
    target = Path(path)
    _check_numbers(batch_size, learning_rate)
    if frozen_dtype not in get_args(FrozenDtype):
        raise ConfigError(f"must be {' or '.join(get_args(FrozenDtype))}, got {frozen_dtype!r}", field="frozen_dtype")
    rules = trainable_rules(trainable)
    check_writable(target)
    problems: list[str] = []
    functional = functional_form(model, inputs, problems)
    if functional is None:
        raise ModelError(_CANNOT, tuple(problems))
    with selected(functional, rules) as selection:
        problems.extend((*model_problems(functional), *_selection_problems(selection, gradients=gradients)))
        problems.extend(_frozen_problems(functional, selection))
        training = resolve_training(
            functional,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer,
            learning_rate=learning_rate,
            problems=problems,
            compiled=model,
        )
        if training is None:
            raise ModelError(_CANNOT, tuple(problems))
        traced = _trace(functional, training, selection, problems, batch_size=batch_size, gradients=gradients)
        flatbuffer = freeze_constants(_convert_traced(traced, problems), dtype=frozen_dtype)
        manifest = _manifest(
            functional,
            training,
            selection,
            traced,
            name=name or model.name,
            batch_size=batch_size,
            rules=rules,
            gradients=gradients,
            int8=frozen_dtype == "int8",
        )
        manifest = replace(manifest, training_memory_bytes=training_memory(flatbuffer, manifest))
        plan = attach_manifest(flatbuffer, manifest)
        _try_out(functional, selection, plan)
    write_atomically(target, plan)
    return manifest


def _check_numbers(batch_size: int, learning_rate: float | None) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise ConfigError(f"must be a whole number from 1 to {MAX_BATCH_SIZE}, got {batch_size!r}", field="batch_size")
    if learning_rate is not None and not (
        isinstance(learning_rate, Real) and math.isfinite(learning_rate) and learning_rate > 0
    ):
        raise ConfigError(f"must be a positive number, got {learning_rate!r}", field="learning_rate")


def _selection_problems(selection: Selection, *, gradients: bool) -> Iterator[str]:
    if not selection.trained:
        yield (
            "the model has no trainable weights: set trainable = True on the layers that devices shall train, "
            "or name them in trainable=... (--trainable)"
        )
    for one in selection.weights:
        dtype = keras.backend.standardize_dtype(one.variable.dtype)
        if dtype != "float32":
            yield f"weight {one.name!r} has dtype {dtype}: trainable weights must be float32"
        elif not np.isfinite(one.variable.numpy()).all():
            yield f"weight {one.name!r} {_NOT_FINITE}"
    if gradients and any(one.role is WeightRole.STATISTIC for one in selection.weights):
        yield (
            "a BatchNormalization that trains moves statistics, which have no gradient: leave gradients out, freeze it "
            "(layer.trainable = False), or use LayerNormalization or GroupNormalization"
        )


def _frozen_problems(model: Any, selection: Selection) -> Iterator[str]:
    """Those of the weights that rest: int8 would make zeros of what is no number."""
    travelling = {id(one.variable) for one in selection.weights}
    for one in model.weights:
        if id(one) not in travelling and not np.isfinite(one.numpy()).all():
            yield f"weight {one.path!r} {_NOT_FINITE}"


def _trace(
    model: Any, training: Training, selection: Selection, problems: list[str], *, batch_size: int, gradients: bool
) -> Traced:
    """Trace, also a model with known problems, so that the error names whatever else is wrong with it."""
    if problems and not _traceable(model, selection):
        raise ModelError(_CANNOT, tuple(problems))
    try:
        traced = trace_signatures(model, training, selection, batch_size=batch_size, gradients=gradients)
    except ModelError as error:
        # Safe: with known problems a failing trace is their consequence.
        raise ModelError(_CANNOT, tuple(problems or [str(error)])) from error
    known = list(problems)
    problems.extend(one for one in traced.problems if not any(_same_layer(one, other) for other in known))
    return traced


def _convert_traced(traced: Traced, problems: list[str]) -> bytes:
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


def _traceable(model: Any, selection: Selection) -> bool:
    """Whether the shapes and types allow a trace at all."""
    tensors = [*model.inputs, *model.outputs]
    dense = all(tensor.shape[0] is None and None not in tensor.shape[1:] for tensor in tensors)
    return dense and bool(selection.trained) and all(tensor.dtype != "string" for tensor in model.inputs)


def _same_layer(problem: str, other: str) -> bool:
    return problem.split(")", 1)[0] == other.split(")", 1)[0]


def _manifest(
    model: Any,
    training: Training,
    selection: Selection,
    traced: Traced,
    *,
    name: str,
    batch_size: int,
    rules: tuple[str, ...],
    gradients: bool,
    int8: bool,
) -> Manifest:
    notes = []
    if layers := random_layers(model):
        notes.append(f"{', '.join(layers)}: random numbers are the plan's own, and repeat with step and batch")
    travelling = {id(one.variable) for one in selection.weights}
    embeddings = [one for one in flat_layers(model) if isinstance(one, keras.layers.Embedding)]
    tables = [one.name for one in embeddings if any(id(table) in travelling for table in one.weights)]
    if tables and not isinstance(training.optimizer, keras.optimizers.SGD):
        notes.append(
            f"{', '.join(tables)}: gradients of a row that occurs several times in a batch are summed before the "
            "optimizer squares them; Keras on TensorFlow squares them one by one"
        )
    metrics = zip(training.metrics, traced.metric_weight_keys, strict=True)
    return Manifest(
        name=name,
        batch_size=batch_size,
        inputs=training.inputs,
        targets=training.targets,
        outputs=training.outputs,
        weights=selection.tensors,
        loss=training.loss_name,
        metrics=tuple(PlanMetric(one.name, f"metric_{index}", key) for index, (one, key) in enumerate(metrics)),
        optimizer=type(training.optimizer).__name__.lower(),
        learning_rate=training.learning_rate,
        tried_on=(runtime_version(),),
        made_with=tuple(f"{package} {metadata.version(package)}" for package in ("fieldfare", "tensorflow", "keras")),
        notes=tuple(notes),
        loss_weight_key=traced.loss_weight_key,
        state=traced.state,
        trainable=rules,
        frozen_sha256=selection.frozen_sha256,
        has_gradients=gradients,
        frozen_int8=int8,
    )


def _try_out(model: Any, selection: Selection, plan: bytes) -> None:
    """Run every signature once, without delegates and with them.

    Of a large model only what reads and writes variables runs without: they are what could be uninitialised there, and
    TFLite's own kernels take minutes for a step.

    Raises:
        ModelError: the runtime refuses the plan, other weights come out than went in, or a result is not finite.
    """
    expected = np.concatenate([one.variable.numpy().ravel() for one in selection.weights])
    tables = [layer.input_dim for layer in flat_layers(model) if isinstance(layer, keras.layers.Embedding)]
    top = min(tables, default=2) - 1
    large = sum(math.prod(one.shape) for one in model.weights) > _LARGE
    for delegates in (False, True):
        try:
            runtime = PlanRuntime(plan, delegates=delegates)
            _check_variables(runtime, expected)
            if delegates or not large:
                _run_once(runtime, top)
        except PlanError as error:
            kind = "with" if delegates else "without"
            raise ModelError(f"the plan was made but does not run {kind} delegates: {error}") from error


def _check_variables(runtime: PlanRuntime, expected: NDArray[np.float32]) -> None:
    if not np.array_equal(runtime.get_weights(), expected):
        raise PlanError("its weights are not the model's")
    if not all(np.isfinite(one).all() for one in runtime.get_state().values()):
        raise PlanError("its optimizer starts with numbers that are not finite")
    runtime.set_weights(expected)
    if not np.array_equal(runtime.get_weights(), expected):
        raise PlanError("set_weights does not set the weights")


def _run_once(runtime: PlanRuntime, top: int) -> None:
    manifest = runtime.manifest
    # Ones rather than zeros: an example of zeros may be masked throughout, and a target of zeros has no direction;
    # neither has a loss that is a number.
    inputs = {spec.name: np.full((1, *spec.shape), min(1, top), spec.dtype) for spec in manifest.input_specs}
    examples = inputs | {
        one.spec.name: np.full((1, *one.spec.shape), one.spec.dtype == "float32", one.spec.dtype)
        for one in manifest.targets
    }
    before = runtime.get_weights()
    numbers = [runtime.train_step(examples, learning_rate=manifest.learning_rate)]
    runtime.set_weights(before)
    numbers.extend(one.sum for one in runtime.evaluate_step(examples).values())
    runtime.infer(inputs)
    if manifest.has_gradients:
        vector, loss = runtime.gradients_step(examples)
        numbers.extend((loss, float(np.abs(vector).sum())))
    if not np.isfinite(numbers).all():
        raise PlanError("a step on an example of ones gives numbers that are not finite")
