"""`fieldfare convert`: plan and trained weights to what an application uses."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.command import Command, Console
from fieldfare.core.errors import ConfigError, NotFoundError, WeightsError
from fieldfare.core.weights import TensorSpec

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
    from fieldfare.converters import plan_to_inference, save_npz, save_safetensors, weights_into_plan
    from fieldfare.converters._atomic import check_writable, write_atomically
    from fieldfare.core.plans import PlanRuntime, read_manifest
    from fieldfare.core.weights import pack_weights

    output: Path = options.output
    if output.suffix not in {".tflite", ".safetensors", ".npz", ".weights"}:
        raise ConfigError("must end in .tflite, .safetensors, .npz or .weights", field="--to")
    if options.as_plan and output.suffix != ".tflite":
        raise ConfigError("a plan must end in .tflite", field="--to")
    check_writable(output)
    plan = _read(options.plan)
    specs = read_manifest(plan).weight_specs
    vector = PlanRuntime(plan).get_weights() if options.weights is None else _load(options.weights, specs)
    if output.suffix == ".safetensors":
        save_safetensors(output, specs, vector)
    elif output.suffix == ".npz":
        save_npz(output, specs, vector)
    elif output.suffix == ".weights":
        write_atomically(output, pack_weights(specs, vector))
    elif options.as_plan:
        write_atomically(output, weights_into_plan(plan, vector))
    else:
        write_atomically(output, plan_to_inference(plan, vector, batch_size=options.batch_size))
    console.say(f"{output}: {output.stat().st_size:,} bytes")
    return 0


def _load(path: Path, specs: tuple[TensorSpec, ...]) -> NDArray[np.float32]:
    """Read weights in any known format; the content decides, not the name."""
    from fieldfare.converters import load_npz, load_safetensors
    from fieldfare.core.weights import unpack_weights

    content = _read(path)
    if content.startswith(b"FFWEIGHT"):
        found, vector = unpack_weights(content)
        if found != specs:
            raise WeightsError(f"{path}: the weights are those of another model")
        return vector
    return (load_npz if content.startswith(b"PK") else load_safetensors)(path, specs)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error


COMMAND = Command(
    summary="Make an inference model, or weights in another format, from a plan and trained weights",
    configure=_configure,
)
