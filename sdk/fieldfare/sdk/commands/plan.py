"""`fieldfare plan`: what a plan is, and who published it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from fieldfare.core.command import Command, Console
from fieldfare.core.errors import NotFoundError, PlanError
from fieldfare.core.plans import Manifest, PlanTensor, WeightRole, read_manifest, training_memory
from fieldfare.core.weights import total_size
from fieldfare.sdk.commands._signing import configure_signing
from fieldfare.sdk.commands._words import bytes_words

__all__ = ["COMMAND", "load_manifest"]


def load_manifest(path: Path) -> Manifest:
    """Read the manifest of a plan's file.

    Raises:
        NotFoundError: no such file.
        PlanError: no plan, or a damaged one.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Manifest, int]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"the plan {path} is not there") from error
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from error
    try:
        return read_manifest(data), len(data)
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="print what a plan holds",
        description="Check a plan's digest and print its manifest: inputs, targets, weights, loss, metrics.",
        epilog="Example: fieldfare plan show digits.tflite",
    )
    show.add_argument("file", type=Path, metavar="FILE", help="the plan, a .tflite file")
    show.set_defaults(run=_show)
    configure_signing(actions)


def _show(options: argparse.Namespace, console: Console) -> int:
    manifest, size_bytes = _read(options.file)
    weights = total_size(manifest.weight_specs)
    lines = [
        f"plan {manifest.name}: {bytes_words(size_bytes)}, batches of {manifest.batch_size}",
        *_tensors("inputs", manifest.inputs),
        *_tensors("targets", manifest.targets),
        *_tensors("outputs", manifest.outputs),
        *_tensors(f"weights ({weights} numbers, {bytes_words(4 * weights)} as float32)", manifest.weights),
        f"frozen      {_frozen(manifest)}",
        f"loss        {manifest.loss}",
        f"metrics     {', '.join(one.name for one in manifest.metrics) or 'none'}",
        f"optimiser   {manifest.optimizer}, learning rate {manifest.learning_rate:g} unless the task says otherwise",
        f"memory      {_memory(options.file, manifest)} to train",
        f"gradients   {'yes' if manifest.has_gradients else 'no: distributed SGD needs an export with --gradients'}",
        f"tried on    {', '.join(manifest.tried_on) or 'not said'}",
        f"made with   {', '.join(manifest.made_with) or 'not said'}",
        *(f"note        {note}" for note in manifest.notes),
    ]
    for line in lines:
        console.say(line)
    return 0


def _memory(path: Path, manifest: Manifest) -> str:
    return f"about {bytes_words(manifest.training_memory_bytes or training_memory(path, manifest))}"


def _frozen(manifest: Manifest) -> str:
    if not manifest.frozen_sha256:
        return "nothing: every weight of the model travels"
    chosen = f"all but {', '.join(manifest.trainable)}" if manifest.trainable else "what the model says"
    return f"{chosen}, in {'int8' if manifest.frozen_int8 else 'float32'}; it rests in the plan"


def _tensors(title: str, tensors: Sequence[PlanTensor]) -> list[str]:
    width = max((len(one.spec.name) for one in tensors), default=0)
    rows = [
        f"  {one.spec.name:<{width}}  {one.spec.dtype} {list(one.spec.shape)}"
        + (" (statistic)" if one.role is WeightRole.STATISTIC else "")
        for one in tensors
    ]
    return [f"{title}:", *(rows or ["  none"])]


COMMAND = Command("Show what a plan holds; sign it", _configure)
