"""The line as a Keras model, trained by devices that keep their people to themselves."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.height_weight.averaging import Samples, Vector, least_squares, rmse
from examples.height_weight.people import People
from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import CohortSpec, LocalTrainingSpec, TargetSpec, TaskSpec
from fieldfare.core.weights import split_vector, unpack_weights
from fieldfare.emulator import Fleet, VirtualDevice
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk import ExampleStore

HEIGHT, WEIGHT = "height", "label"


@dataclass(frozen=True, slots=True)
class FederatedLine:
    """What came out: intercept and slope, committed training rounds, and why the task ended."""

    line: Vector
    rounds: int
    reason: str


def train_federated(
    people: People, parts: Sequence[NDArray[np.intp]], folder: Path, *, seed: int, round_limit: timedelta
) -> FederatedLine:
    """Export, serve, run one device for each part, and train until the held-out error is within 1 % of the best line.

    Args:
        people: everybody; only `parts` of them reach a device.
        parts: rows of each device.
        folder: for the plan, the stores and the aggregator's state.
        seed: of model, shuffling and jitter.
        round_limit: time limit of a round.
    """
    manifest = export_line(folder / "plan.tflite", seed)
    devices, target_rmse = _fill(folder / "devices", people, parts, manifest, seed)
    cohort = CohortSpec(len(parts), (len(parts) + 1) // 2, 1.0, round_limit, round_limit)
    spec = TaskSpec(
        name="height-weight",
        population="people",
        rounds=60,
        training=cohort,
        evaluation=cohort,
        local=LocalTrainingSpec(epochs=2),
        target=TargetSpec("loss", target_rmse**2, lower_is_better=True),
    )
    pace = PaceSettings(shortest=timedelta(milliseconds=100), longest=timedelta(seconds=2))
    with (
        Aggregator(folder / "state", settings=ServerSettings(pace=pace)) as aggregator,
        Fleet(devices, aggregator=aggregator.address, population=spec.population) as fleet,
        AdminClient(aggregator.admin_address) as admin,
    ):
        status = admin.submit(folder / "plan.tflite", spec)
        while status.state == task_pb2.TASK_STATE_RUNNING:
            fleet.check()
            time.sleep(0.1)
            status = admin.show(status.task_id)
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
    tensors = split_vector(manifest.weight_specs, weights)
    slope, intercept = (next(v for k, v in tensors.items() if k.endswith(name)) for name in ("kernel", "bias"))
    return FederatedLine(np.array([intercept.item(), slope.item()]), status.rounds_committed, status.reason)


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


def _fill(
    folder: Path, people: People, parts: Sequence[NDArray[np.intp]], manifest: Manifest, seed: int
) -> tuple[list[VirtualDevice], float]:
    """Fill the stores; also the error that counts as good: 1 % above the best line for the training examples."""
    devices, training, held_out = [], [], []
    for index, rows in enumerate(parts):
        own = folder / f"{index:02d}"
        own.mkdir(parents=True, exist_ok=True)
        with ExampleStore.create(own / "examples.db", manifest.example_specs, held_out_share=0.15) as store:
            x, y = people.x[rows, np.newaxis], people.weight_kg[rows, np.newaxis]
            store.add_many({HEIGHT: x.astype(np.float32), WEIGHT: y.astype(np.float32)})
            training.append(store.training())
            held_out.append(store.held_out())
        devices.append(VirtualDevice(own, own / "examples.db", seed * 1000 + index))
    best = least_squares(_joined(training))
    return devices, 1.01 * rmse(best, _joined(held_out))


def _joined(stores: Sequence[dict[str, NDArray[np.float32]]]) -> Samples:
    x, y = (np.concatenate([one[name].ravel() for one in stores]).astype(float) for name in (HEIGHT, WEIGHT))
    return Samples(x, y)
