"""`fieldfare convert`: plan and trained weights to what an application uses."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.command import Command, Console, quiet_native_output
from fieldfare.core.errors import ConfigError, NotFoundError, PlanError
from fieldfare.core.plans import Manifest, PlanRuntime, read_manifest
from fieldfare.core.weights import FORMATS

_EPILOG = """\
The ending of OUTPUT says what is made, from the plan alone, without the Keras model:
  .tflite       a plain inference model: one signature, no variables (with --plan: the plan itself, with these weights)
  .safetensors  the weights by name
  .npz          the weights by name, for NumPy
  .weights      the weights as Fieldfare keeps them

An inference model can be made smaller:
  --int8-weights  int8 weights, float arithmetic
  --int8          int8 weights and arithmetic, with the ranges that --calibration shows (a few hundred examples)

Calibration and evaluation files are NPZ, with arrays named as the plan's inputs (and targets): see `fieldfare plan
show`.

examples:
  fieldfare convert plan.tflite global.safetensors --to model.tflite
  fieldfare convert plan.tflite global.safetensors --to model.tflite --int8 --calibration some.npz --evaluation test.npz
"""
_WEIGHTS_HELP = (
    "trained weights: .safetensors, .npz or a Fieldfare weights file; left out: the plan's own initial weights"
)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("plan", metavar="PLAN", type=Path, help="the plan that the weights belong to")
    parser.add_argument("weights", metavar="WEIGHTS", type=Path, nargs="?", help=_WEIGHTS_HELP)
    parser.add_argument(
        "--to",
        metavar="OUTPUT",
        type=Path,
        required=True,
        dest="output",
        help="the file to write; replaced only on success",
    )
    parser.add_argument("--plan", action="store_true", dest="as_plan", help="write a plan that starts from the weights")
    parser.add_argument(
        "--batch-size", metavar="N", type=int, help="of the inference model: 1 (default) or the plan's own"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--int8", action="store_true", help="compute in int8; needs --calibration and TensorFlow")
    kinds.add_argument("--int8-weights", action="store_true", help="keep the weights as int8, compute in float")
    parser.add_argument("--int8-io", action="store_true", help="with --int8: take and give int8 instead of float")
    parser.add_argument("--calibration", metavar="NPZ", type=Path, help="with --int8: examples of the inputs")
    parser.add_argument(
        "--evaluation",
        metavar="NPZ",
        type=Path,
        help="with --int8 or --int8-weights: labelled examples; prints loss and metrics of both models",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.converters import load_weights, plan_to_inference, weights_into_plan
    from fieldfare.core.files import check_writable, write_atomically
    from fieldfare.core.weights import weights_to_bytes

    _check(options)
    output: Path = options.output
    check_writable(output)
    plan = _read(options.plan)
    try:
        manifest = read_manifest(plan)
    except PlanError as error:
        raise PlanError(f"{options.plan}: {error}") from error
    report: list[str] = []
    with quiet_native_output():
        vector = (
            PlanRuntime(plan).get_weights()
            if options.weights is None
            else load_weights(options.weights, manifest.weight_specs)
        )
        if output.suffix != ".tflite":
            content = weights_to_bytes(output.suffix, manifest.weight_specs, vector)
        elif options.as_plan:
            content = weights_into_plan(plan, vector)
        else:
            content = plan_to_inference(
                plan, vector, batch_size=1 if options.batch_size is None else options.batch_size
            )
            if options.int8 or options.int8_weights:
                content, report = _smaller(options, plan, manifest, vector, content)
    write_atomically(output, content)
    console.say(f"{output}: {output.stat().st_size:,} bytes")
    for line in report:
        console.say(line)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that say nothing together."""
    output: Path = options.output
    if output.suffix not in {".tflite", *FORMATS}:
        raise ConfigError(f"must end in .tflite, {', '.join(FORMATS)}", field="--to")
    if options.as_plan and output.suffix != ".tflite":
        raise ConfigError("a plan must end in .tflite", field="--to")
    if output.resolve() in {one.resolve() for one in (options.plan, options.weights) if one is not None}:
        raise ConfigError("is one of the files that are read: choose another name", field="--to")
    if options.batch_size is not None and (options.as_plan or output.suffix != ".tflite"):
        raise ConfigError("is for inference models: a plan keeps the batch of its export", field="--batch-size")
    smaller = options.int8 or options.int8_weights
    if smaller and (options.as_plan or output.suffix != ".tflite"):
        raise ConfigError("is for inference models: leave out --plan, and end OUTPUT in .tflite", field="--int8")
    if options.int8 and options.calibration is None:
        raise ConfigError("needs --calibration, an .npz file with a few hundred examples of the inputs", field="--int8")
    for name in ("calibration", "int8_io"):
        if getattr(options, name) and not options.int8:
            raise ConfigError("is for --int8 only", field=f"--{name.replace('_', '-')}")
    if options.evaluation is not None and not smaller:
        raise ConfigError("is for --int8 and --int8-weights only", field="--evaluation")


def _smaller(
    options: argparse.Namespace, plan: bytes, manifest: Manifest, vector: NDArray[np.float32], model: bytes
) -> tuple[bytes, list[str]]:
    """The int8 model, and what to say of it."""
    from fieldfare.converters.inference import compare_models, to_int8, weights_to_int8
    from fieldfare.core.files import read_npz

    # Before minutes of work.
    evaluation = None if options.evaluation is None else read_npz(options.evaluation, manifest.example_specs)
    if options.int8:
        targets = [one.spec for one in manifest.targets]
        calibration = read_npz(options.calibration, manifest.input_specs, spare=targets)
        smaller = to_int8(model, calibration, integer_io=options.int8_io)
    else:
        smaller = weights_to_int8(model)
    if evaluation is None:
        return smaller, [f"the float model: {len(model):,} bytes; --evaluation would compare the two"]
    return smaller, [str(compare_models(plan, vector, smaller, evaluation))]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error


COMMAND = Command(
    summary="Make an inference model, or weights in another format, from a plan and trained weights",
    configure=_configure,
)
