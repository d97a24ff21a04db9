"""`fieldfare device personalise`: weights of a device's own, from the command line."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fieldfare.core.command import Console
from fieldfare.core.errors import ConfigError
from fieldfare.core.metrics import LOSS
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.sdk.commands._limits import add_limits, limits_of
from fieldfare.sdk.device import DeviceFolder, Personaliser
from fieldfare.sdk.personal import Personal, PersonalRecord
from fieldfare.sdk.store import ExampleStore
from fieldfare.sdk.training import LiteRtTrainer


def configure_personalise(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action."""
    personalise = actions.add_parser(
        "personalise",
        help="adapt the last checkpoint to the device's own examples",
        description="Fine-tune the last checkpoint, or the weights that patterns name, on the examples of a store, and "
        "predict with the result from then on where it is better on held-out examples. Needs no network; nothing of it "
        "is ever sent.",
        epilog="Example: fieldfare device personalise --store examples.db --folder device --tensors 'head/*'",
    )
    personalise.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="the device's folder")
    personalise.add_argument("--store", type=Path, metavar="FILE", help="the example store")
    personalise.add_argument(
        "--collection", action="append", metavar="NAME", help="adapt to these examples only; repeat it for several"
    )
    personalise.add_argument("--forget", action="store_true", help="remove the device's own weights, and end")
    personalise.add_argument(
        "--tensors",
        action="append",
        metavar="PATTERN",
        help="weights to adapt, as `fieldfare plan show` names them; repeat it for several (default: all)",
    )
    personalise.add_argument("--epochs", type=int, default=1, metavar="N", help="passes (default: %(default)s)")
    personalise.add_argument("--learning-rate", type=float, metavar="RATE", help="default: the plan's own")
    personalise.add_argument(
        "--metric", default=LOSS, metavar="NAME", help="what tells which is better (default: %(default)s)"
    )
    personalise.add_argument("--always", action="store_true", help="keep the result though it is no better")
    add_limits(personalise)
    personalise.add_argument("--seed", type=int, metavar="N", help="makes shuffling repeat")
    personalise.set_defaults(run=_personalise)


def personal_words(record: PersonalRecord) -> str:
    """Such as "kept, over version 3 of task t: loss 0.12, shared 0.2, on 9 held-out examples"."""
    verdict = "kept" if record.kept else "not kept"
    return f"{verdict}, over version {record.version} of task {record.task}: {record.detail}"


def _personalise(options: argparse.Namespace, console: Console) -> int:
    """`device personalise`."""
    folder = DeviceFolder(options.folder)
    if options.forget:
        folder.personal.clear()
        console.say("the device predicts with the shared weights")
        return 0
    if options.store is None:
        raise ConfigError("is needed: the examples to adapt to", field="--store")
    settings = Personal(
        tensors=tuple(options.tensors or ("*",)),
        local=LocalTrainingSpec(epochs=options.epochs, learning_rate=options.learning_rate),
        always=options.always,
        metric=options.metric,
    )
    limits = limits_of(options)
    try:
        folder.acquire()
        with ExampleStore.open(options.store) as store:
            personaliser = Personaliser(
                folder=folder,
                trainer=LiteRtTrainer(),
                source=store.select(*options.collection) if options.collection else store,
                settings=settings,
                now=lambda: datetime.now(UTC),
                rng=lambda: np.random.default_rng(options.seed),
                limits=limits,
                clock=time.monotonic,
            )
            record = personaliser.run(lambda: "")
    finally:
        folder.lock.release()
    console.say(f"adapted {', '.join(record.tensors)} on {record.examples} examples")
    console.say(personal_words(record))
    return 0
