"""Train the activity model on 21 people's devices, and measure it on the 9 people of whom no device has seen anything.

    python -m examples.raspberry_pi.evaluate --output runs/activity
    python -m examples.raspberry_pi.evaluate --short

An aggregator, 21 devices in worker processes and gRPC between them; every device trains in every round, so that the
same seed gives the same weights, bit for bit. Exit status 1 where the accuracy on unseen people is below --goal.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.raspberry_pi.activity import ACTIVITIES, INPUT, POPULATION, SPECS, TARGET
from examples.raspberry_pi.model import export_plan
from examples.raspberry_pi.recordings import UNSEEN, default_path, load_recordings, windowed
from examples.raspberry_pi.table import results_table
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.command import quiet_log, quiet_native_output
from fieldfare.core.errors import ConfigError, DataError, FieldfareError, StateError
from fieldfare.core.plans import Examples, PlanRuntime
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator import Fleet, VirtualDevice
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore

GOAL = 0.90
_SHORT = 10
_POLL_S = 0.25
_PACE = PaceSettings(shortest=timedelta(milliseconds=100), longest=timedelta(seconds=2))
_ROUND_LIMIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run may be told.

    Attributes:
        data: `uci_har.npz`.
        folder: for stores, devices and the aggregator's state.
        rounds: training rounds.
        epochs: passes over a device's windows in a round.
        max_examples: a device trains on its newest so many windows.
        processes: worker processes of the fleet.
        seed: of the model, and of each device's shuffling.
        unseen: the people of whom no device sees anything.
    """

    data: Path
    folder: Path
    rounds: int
    epochs: int
    max_examples: int
    processes: int
    seed: int
    unseen: tuple[int, ...] = UNSEEN


@dataclass(frozen=True, slots=True)
class Result:
    """What came out.

    Attributes:
        accuracy: person to the share of their windows that was recognised.
        confusion: `(6, 6)` windows: rows are what people did, columns what was recognised.
        six_values: share of all their windows that was recognised from six values a sample, as a sensor gives them.
        weights: `(n,)` float32.
        checkpoint: hexadecimal digest of the final weights.
        seconds: from the first round to the last.
    """

    accuracy: dict[int, float]
    confusion: NDArray[np.int64]
    six_values: float
    weights: NDArray[np.float32]
    checkpoint: str
    seconds: float

    @property
    def overall(self) -> float:
        """Share of all unseen people's windows."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and print its table."""
    options = _parser().parse_args(arguments)
    try:
        if options.output is None:
            with tempfile.TemporaryDirectory(prefix="activity-") as folder:
                return _run(options, Path(folder))
        if options.output.exists() and any(options.output.iterdir()):
            raise ConfigError(f"{options.output} holds files: name an empty folder, or a new one", field="--output")
        return _run(options, options.output)
    except FieldfareError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_status


def _run(options: argparse.Namespace, folder: Path) -> int:
    settings = Settings(
        data=options.data or default_path(),
        folder=folder,
        rounds=_SHORT if options.short else options.rounds,
        epochs=options.epochs,
        max_examples=options.max_examples,
        processes=options.processes,
        seed=options.seed,
        unseen=tuple(sorted(set(options.unseen))),
    )
    with quiet_log():
        result = evaluate(settings)
    print(results_table(settings, result))
    if result.overall < options.goal:
        print(f"evaluate: {result.overall:.4f} on unseen people is below the goal of {options.goal:g}", file=sys.stderr)
        return 1
    return 0


def evaluate(settings: Settings) -> Result:
    """Train over the devices of everybody but `settings.unseen`, and recognise the windows of those.

    Raises:
        DataError: an unseen person who is not in the data, or nobody left to train.
        FieldfareError: data that is not there, a folder that cannot be written, a worker that died.
    """
    recordings = load_recordings(settings.data)
    known = sorted({one.subject for one in recordings})
    people = [person for person in known if person not in settings.unseen]
    if missing := sorted(set(settings.unseen) - set(known)):
        raise DataError(f"{settings.data} has no subject {missing[0]}")
    if not (people and settings.unseen):
        raise DataError("there must be somebody to train on, and somebody unseen")
    plan = settings.folder / "plan.tflite"
    settings.folder.mkdir(parents=True, exist_ok=True)
    with quiet_native_output():
        export_plan(plan, settings.seed)
    windows = {person: windowed([one for one in recordings if one.subject == person]) for person in known}
    devices = [_device(settings, person, windows[person]) for person in people]
    began = time.monotonic()
    status, weights = _train(settings, plan, devices)
    seconds = time.monotonic() - began
    confusion = {person: _confusion(plan, weights, windows[person]) for person in settings.unseen}
    unseen = [one for one in recordings if one.subject in settings.unseen]
    sensed = _confusion(plan, weights, windowed(unseen, six_values=True))
    return Result(
        accuracy={person: float(np.trace(one) / one.sum()) for person, one in confusion.items()},
        confusion=np.sum(list(confusion.values()), axis=0),
        six_values=float(np.trace(sensed) / sensed.sum()),
        weights=weights,
        checkpoint=status.checkpoint.sha256.hex(),
        seconds=seconds,
    )


def _device(settings: Settings, person: int, examples: Examples) -> VirtualDevice:
    """One person's device, with all of their windows to train on: the test is made on other people."""
    folder = settings.folder / "devices" / f"{person:02d}"
    with ExampleStore.create(folder / "examples.db", SPECS, held_out_share=0.0) as store:
        store.add_many(examples)
    return VirtualDevice(folder, folder / "examples.db", settings.seed * 1000 + person)


def _train(
    settings: Settings, plan: Path, devices: list[VirtualDevice]
) -> tuple[task_pb2.TaskStatus, NDArray[np.float32]]:
    everybody = CohortSpec(len(devices), len(devices), 1.0, _ROUND_LIMIT, _ROUND_LIMIT)
    spec = TaskSpec(
        name="activity",
        population=POPULATION,
        rounds=settings.rounds,
        training=everybody,
        evaluate_every=0,
        local=LocalTrainingSpec(epochs=settings.epochs, max_examples=settings.max_examples),
    )
    with (
        Aggregator(settings.folder / "state", settings=ServerSettings(pace=_PACE)) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        Fleet(
            devices,
            aggregator=aggregator.address,
            population=POPULATION,
            processes=settings.processes,
            log=settings.folder / "devices.log",
        ) as fleet,
    ):
        status = admin.submit(plan, spec)
        committed = 0
        while status.state == task_pb2.TASK_STATE_RUNNING:
            fleet.check()
            time.sleep(_POLL_S)
            status = admin.show(status.task_id)
            if status.rounds_committed > committed:
                committed = status.rounds_committed
                print(f"\rround {committed} of {settings.rounds}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if status.state != task_pb2.TASK_STATE_COMPLETED:
            raise StateError(f"the task did not complete: {status.reason}")
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
        return status, weights


def _confusion(plan: Path, weights: NDArray[np.float32], examples: Examples) -> NDArray[np.int64]:
    runtime = PlanRuntime(plan)
    runtime.set_weights(weights)
    (logits,) = runtime.infer({INPUT: examples[INPUT]}).values()
    counts = np.zeros((len(ACTIVITIES), len(ACTIVITIES)), np.int64)
    np.add.at(counts, (examples[TARGET], logits.argmax(axis=1)), 1)
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="NPZ", help="uci_har.npz (default: in the folder of FIELDFARE_DATA)")
    add("--output", type=Path, metavar="DIR", help="keep plan, devices and the aggregator's state here")
    add("--short", action="store_true", help=f"{_SHORT} rounds only")
    add("--rounds", type=int, default=60, metavar="N", help="training rounds (%(default)s)")
    add("--epochs", type=int, default=2, metavar="N", help="passes over a device's windows in a round (%(default)s)")
    add("--max-examples", type=int, default=100_000, metavar="N", help="newest windows of a device that are used")
    add("--processes", type=int, default=2, metavar="N", help="worker processes for the devices (%(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="of model and shuffling (%(default)s)")
    add("--unseen", type=int, nargs="+", default=UNSEEN, metavar="N", help="people to measure on (the authors' choice)")
    add("--goal", type=float, default=GOAL, metavar="SHARE", help="accuracy on unseen people to reach (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
