"""`fieldfare convert`: plan and trained weights to what an application uses."""

import argparse
from pathlib import Path

from fieldfare.core.command import Command, Console, quiet_native_output
from fieldfare.core.errors import ConfigError, NotFoundError

_EPILOG = """\
The ending of OUTPUT says what is made, from the plan alone, without TensorFlow and without the Keras model:
  .tflite       a plain inference model: one signature, no variables (with --plan: the plan itself, with these weights)
  .safetensors  the weights by name
  .npz          the weights by name, for NumPy
  .weights      the weights as Fieldfare keeps them

example:
  fieldfare convert plan.tflite global.safetensors --to model.tflite
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
        "--batch-size", metavar="N", type=int, default=1, help="of the inference model: 1 (default) or the plan's own"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.converters import load_weights, plan_to_inference, weights_into_plan
    from fieldfare.core.files import check_writable, write_atomically
    from fieldfare.core.plans import PlanRuntime, read_manifest
    from fieldfare.core.weights import FORMATS, weights_to_bytes

    output: Path = options.output
    if output.suffix not in {".tflite", *FORMATS}:
        raise ConfigError(f"must end in .tflite, {', '.join(FORMATS)}", field="--to")
    if options.as_plan and output.suffix != ".tflite":
        raise ConfigError("a plan must end in .tflite", field="--to")
    check_writable(output)
    plan = _read(options.plan)
    specs = read_manifest(plan).weight_specs
    with quiet_native_output():
        vector = PlanRuntime(plan).get_weights() if options.weights is None else load_weights(options.weights, specs)
        if output.suffix != ".tflite":
            content = weights_to_bytes(output.suffix, specs, vector)
        elif options.as_plan:
            content = weights_into_plan(plan, vector)
        else:
            content = plan_to_inference(plan, vector, batch_size=options.batch_size)
    write_atomically(output, content)
    console.say(f"{output}: {output.stat().st_size:,} bytes")
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error


COMMAND = Command(
    summary="Make an inference model, or weights in another format, from a plan and trained weights",
    configure=_configure,
)
