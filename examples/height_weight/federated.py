"""The line as a Keras model, trained by devices that keep their people to themselves."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.height_weight.averaging import Vector
from examples.height_weight.people import People
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import CohortSpec, LocalTrainingSpec, TargetSpec, TaskSpec
from fieldfare.core.weights import TensorSpec, split_vector, unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import Device

HEIGHT, WEIGHT = "height", "label"
_POPULATION = "people"
_PACE = PaceSettings(shortest=timedelta(milliseconds=100), longest=timedelta(seconds=2))


@dataclass(frozen=True, slots=True)
class FederatedLine:
    """What came out: intercept and slope, committed training rounds, and why the task ended."""

    line: Vector
    rounds: int
    reason: str


@dataclass(frozen=True, slots=True)
class Household:
    """A device's people, in the place of an example store.

    It evaluates on the people that it trains on, as the least-squares error does. An app's store holds examples out.
    """

    specs: tuple[TensorSpec, ...]
    people: dict[str, NDArray[np.float32]]

    def training(self, limit: int | None = None) -> dict[str, NDArray[np.float32]]:
        """The newest `limit` people."""
        return {name: values[-limit:] if limit else values for name, values in self.people.items()}

    def held_out(self) -> dict[str, NDArray[np.float32]]:
        """All of them."""
        return self.people


def train_federated(
    people: People,
    parts: Sequence[NDArray[np.intp]],
    folder: Path,
    *,
    target_rmse: float,
    seed: int,
    round_limit: timedelta,
) -> FederatedLine:
    """Export, serve, run one device for each part, and train until the devices' common error is at the target.

    Args:
        people: everybody; only `parts` of them reach a device.
        parts: rows of each device.
        folder: for the plan, the devices and the aggregator's state.
        target_rmse: in kg.
        seed: of model, shuffling and jitter.
        round_limit: time limit of a round.
    """
    manifest = export_line(folder / "plan.tflite", seed)
    cohort = CohortSpec(len(parts), (len(parts) + 1) // 2, 1.0, round_limit, round_limit)
    spec = TaskSpec(
        name="height-weight",
        population=_POPULATION,
        rounds=100,
        training=cohort,
        evaluation=cohort,
        local=LocalTrainingSpec(epochs=2),
        target=TargetSpec("loss", target_rmse**2, lower_is_better=True),
    )
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(folder / "state", settings=ServerSettings(pace=_PACE)))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        for index, rows in enumerate(parts):
            x, y = people.x[rows, np.newaxis], people.weight_kg[rows, np.newaxis]
            own = Household(manifest.example_specs, {HEIGHT: x.astype(np.float32), WEIGHT: y.astype(np.float32)})
            _start_device(stack, folder / "devices" / f"{index:02d}", aggregator.address, own, seed * 1000 + index)
        status = admin.submit(folder / "plan.tflite", spec)
        while status.state == task_pb2.TASK_STATE_RUNNING:
            time.sleep(0.1)
            status = admin.show(status.task_id)
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
    tensors = split_vector(manifest.weight_specs, weights)
    slope, intercept = (next(v for k, v in tensors.items() if k.endswith(name)) for name in ("kernel", "bias"))
    return FederatedLine(np.array([intercept.item(), slope.item()]), status.rounds_committed, status.reason)


def _start_device(stack: ExitStack, folder: Path, address: str, people: Household, seed: int) -> None:
    """Run a device in a thread until the stack unwinds."""
    device = stack.enter_context(Device(folder, aggregator=address, population=_POPULATION, store=people, seed=seed))
    stop = threading.Event()
    thread = threading.Thread(target=device.run_forever, args=(stop,), name=folder.name)
    thread.start()
    stack.callback(thread.join)
    stack.callback(stop.set)


def export_line(path: Path, seed: int) -> Manifest:
    """One dense unit on one number, squared error, SGD."""
    import keras

    from fieldfare.converters import export_keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((1,), name=HEIGHT), keras.layers.Dense(1)], name="line")
    path.parent.mkdir(parents=True, exist_ok=True)
    return export_keras(
        model, path, loss="mean_squared_error", optimizer="sgd", learning_rate=0.02, metrics=[], batch_size=8
    )
