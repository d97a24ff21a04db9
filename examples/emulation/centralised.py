"""The yardstick: the same model and the same training examples in one place, measured on the same held-out ones."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.height_weight.averaging import Samples, least_squares, rmse
from examples.height_weight.federated import HEIGHT, WEIGHT
from fieldfare.core.plans import Examples, PlanRuntime, read_manifest, take_rows
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.emulator.data import load_table
from fieldfare.emulator.partition import make_partition
from fieldfare.emulator.scenario import Scenario
from fieldfare.sdk.training import LiteRtTrainer


@dataclass(frozen=True, slots=True)
class Split:
    """All devices' examples.

    Attributes:
        training: those that they train on.
        held_out: those that they only measure on.
    """

    training: Examples
    held_out: Examples


def split_of(scenario: Scenario) -> Split:
    """What the devices of a scenario hold, put together."""
    settings = scenario.settings
    table = load_table(settings.data, read_manifest(settings.plan.read_bytes()).example_specs)
    partition = make_partition(settings.partition, table, settings.seed)
    devices = range(partition.devices)
    training, held_out = (
        np.concatenate([rows(device) for device in devices])
        for rows in (partition.training_rows, partition.held_out_rows)
    )
    return Split(take_rows(table.examples, training), take_rows(table.examples, held_out))


def measure(plan: Path, weights: NDArray[np.float32], examples: Examples) -> dict[str, float]:
    """Means of loss and metrics over the examples.

    Args:
        plan: the file.
        weights: `(n,)`.
        examples: at least one.
    """
    metrics = _trainer(plan).evaluate(weights, examples, interrupt=lambda: "")
    return {name: one.mean for name, one in metrics.items()}


def trained_accuracy(plan: Path, split: Split, seed: int, *, passes: int) -> float:
    """What the plan reaches where one device has all training examples, with the plan's own learning rate.

    Args:
        plan: the file.
        split: the examples.
        seed: of their order.
        passes: over all of them.
    """
    start = PlanRuntime(plan.read_bytes()).get_weights()
    done = _trainer(plan).train(
        start,
        split.training,
        local=LocalTrainingSpec(epochs=passes),
        algorithm=Algorithm.FEDAVG,
        rng=np.random.default_rng(seed),
        interrupt=lambda: "",
    )
    return measure(plan, start + done.vector, split.held_out)["accuracy"]


def least_squares_rmse(split: Split) -> float:
    """That of the least-squares line through the training examples, in kg."""
    return rmse(least_squares(_samples(split.training)), _samples(split.held_out))


def _samples(examples: Examples) -> Samples:
    return Samples(*(examples[name][:, 0].astype(np.float64) for name in (HEIGHT, WEIGHT)))


def _trainer(plan: Path) -> LiteRtTrainer:
    trainer = LiteRtTrainer()
    trainer.load(plan, hashlib.sha256(plan.read_bytes()).hexdigest())
    return trainer
