"""`fieldfare export`: Keras model to plan."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldfare.converters.sources import HELP, load_model
from fieldfare.core.command import Command, Console, quiet_native_output
from fieldfare.core.errors import ConfigError
from fieldfare.core.files import check_writable, write_atomically

if TYPE_CHECKING:
    from fieldfare.converters import ParityReport
    from fieldfare.core.plans import Manifest

_EPILOG = """\
examples:
  fieldfare export model.keras -o plan.tflite --loss sparse_categorical_crossentropy --metric accuracy
  fieldfare export train/model.py:build -o plan.tflite --optimizer adam --learning-rate 0.001 --check

The plan trains on a stock LiteRT runtime. `fieldfare plan show plan.tflite` tells what is in it, `fieldfare task
submit` hands it to an aggregator, `fieldfare convert` makes an inference model of it and trained weights. What is not
given comes from model.compile(). Layers that cannot be exported are listed all at once, each with a way round.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help=HELP)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="the plan to write; replaced only on success"
    )
    parser.add_argument("--loss", metavar="NAME", help="a name of keras.losses")
    parser.add_argument("--optimizer", metavar="NAME", help="a name of keras.optimizers, run on the device (sgd)")
    parser.add_argument(
        "--learning-rate", metavar="RATE", type=float, help="used where a task gives none (the optimizer's own)"
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        action="append",
        dest="metrics",
        help="a name of keras.metrics that is a mean over examples; may be given several times",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=int,
        default=16,
        help="examples of one training step (16); a last batch may be shorter",
    )
    parser.add_argument(
        "--trainable",
        metavar="RULE",
        action="append",
        help='what trains, the rest being frozen: a pattern of layer names, "last:2", "lora:8" or "lora:8:PATTERN"; '
        "may be given several times (as the model's own flags say)",
    )
    parser.add_argument(
        "--input",
        metavar="[NAME=]DTYPE:SHAPE",
        action="append",
        dest="inputs",
        help="what a subclassed model takes, such as float32:28,28,1 or ids=int32:20; may be given several times",
    )
    parser.add_argument(
        "--frozen-dtype",
        choices=("float32", "int8"),
        default="float32",
        help="int8 stores frozen weights in a quarter of the size, and is not exact (float32)",
    )
    parser.add_argument("--gradients", action="store_true", help="also export what tasks need that report gradients")
    parser.add_argument("--name", help="the plan's name (the model's)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="train plan and Keras side by side on random batches; write nothing if they differ by more than 1e-5",
    )
    parser.add_argument("--check-steps", metavar="N", type=int, default=5, help="steps of --check (5)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console) -> int:
    _check_options(options)
    with quiet_native_output():
        from fieldfare.converters import check_parity, export_keras

        model = load_model(options.model)
        inputs = _inputs(options.inputs or [])
        words = {"loss": options.loss, "optimizer": options.optimizer, "metrics": options.metrics, "inputs": inputs}
        # To a temporary folder first: a plan that fails the check is not written.
        with tempfile.TemporaryDirectory(prefix="fieldfare-export-") as folder:
            made = Path(folder) / "plan.tflite"
            manifest = export_keras(
                model,
                made,
                batch_size=options.batch_size,
                trainable=options.trainable,
                frozen_dtype=options.frozen_dtype,
                learning_rate=options.learning_rate,
                gradients=options.gradients,
                name=options.name,
                **words,
            )
            report = check_parity(model, made, steps=options.check_steps, **words) if options.check else None
            if report is None or report.ok:
                write_atomically(options.output, made.read_bytes())
    if report is None or report.ok:
        _tell(manifest, options.output, console)
    if report is None:
        return 0
    _tell_parity(report, console)
    if not report.ok:
        console.say(f"{options.output} was not written")
    return 0 if report.ok else 1


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be before TensorFlow is loaded."""
    if options.output.suffix != ".tflite":
        raise ConfigError(f"must end in .tflite, got {options.output.name!r}", field="--output")
    if options.check_steps < 1:
        raise ConfigError(f"must be 1 or more, got {options.check_steps}", field="--check-steps")
    if options.check and options.frozen_dtype != "float32":
        raise ConfigError("int8 weights are not those of Keras: check an export in float32", field="--check")
    check_writable(options.output)


def _inputs(given: Sequence[str]) -> Any:
    """The inputs as Keras takes them: one, several by name, or several in their order."""
    import keras

    made = {}
    for index, text in enumerate(given):
        name, _, rest = text.rpartition("=")
        dtype, colon, shape = rest.partition(":")
        sizes = [one for one in shape.split(",") if one]
        if not (colon and dtype.isidentifier() and all(one.isascii() and one.isdigit() for one in sizes)):
            raise ConfigError(f"{text!r} is not understood: write float32:28,28,1 or ids=int32:20", field="--input")
        try:
            tensor = keras.Input(tuple(map(int, sizes)), dtype=dtype, name=name or None)
        except ValueError as error:
            raise ConfigError(f"{text!r}: {error}", field="--input") from error
        made[name or str(index)] = tensor
    if len(made) < len(given):
        raise ConfigError("each input needs a name of its own", field="--input")
    if len(made) > 1 and all("=" in one for one in given):
        return made
    return next(iter(made.values())) if len(made) == 1 else list(made.values()) or None


def _tell(manifest: "Manifest", path: Path, console: Console) -> None:
    count = sum(spec.size for spec in manifest.weight_specs)
    console.say(
        f"{path}: {path.stat().st_size:,} bytes, {count:,} trainable weights in {len(manifest.weights)} tensors"
    )
    for word, tensors in (("takes", manifest.inputs), ("learns", manifest.targets), ("gives", manifest.outputs)):
        for one in tensors:
            console.say(f"  {word:6} {one.spec.name}: {one.spec.dtype} {list(one.spec.shape)}")
    console.say(
        f"  trains with {manifest.optimizer} at {manifest.learning_rate:g} on {manifest.loss}, "
        f"batches of {manifest.batch_size}; ran on {', '.join(manifest.tried_on)}"
    )
    if manifest.trainable:
        dtype = "int8" if manifest.frozen_int8 else "float32"
        console.say(f"  trainable: {', '.join(manifest.trainable)}; the rest is frozen in {dtype}")
    for note in manifest.notes:
        console.say(f"  note: {note}")


def _tell_parity(report: "ParityReport", console: Console) -> None:
    console.say(f"plan against Keras, {report.steps} steps: largest relative differences")
    rows = [("loss", max(report.losses)), ("predictions", report.outputs)]
    rows += [(f"evaluate {name}", value) for name, value in report.evaluated.items()]
    rows += [*report.weights.items(), *((f"optimizer {name}", value) for name, value in report.state.items())]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.say(f"  {name:{width}}  {value:.1e}")
    for name in report.idle:
        console.say(f"  {name:{width}}  not compared: its gradient is zero but for rounding")
    verdict = "equal" if report.ok else "NOT equal"
    console.say(f"{verdict} within {report.tolerance:.0e}")


COMMAND = Command(summary="Export a Keras model as a plan that devices can train", configure=_configure)
