"""A run of an emulation that nobody has run: rounds, rows of devices and an outcome, made up from a seed."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.core.plans import PlanMetric
from fieldfare.core.rounds import Ticket
from fieldfare.core.weights import pack_weights
from fieldfare.emulator.data import Table
from fieldfare.emulator.emulation import Outcome
from fieldfare.emulator.partition import make_partition, partition_statistics
from fieldfare.emulator.records import DeviceRows, Totals
from fieldfare.emulator.scenario import Scenario, scenario_from_mapping
from fieldfare.emulator.simulation import BEGINNING, Ending, Fate, Flight
from fieldfare.protos.v1 import aggregator_pb2, task_pb2, tensors_pb2
from tests.support.tiny_plan import tiny_manifest
from tests.unit.emulator.rounds import COMMITTED, EVALUATION, TRAINING, round_status

DEVICES, LABELS = 60, 10
METRICS = ("accuracy", "loss")
SCENARIO: dict[str, Any] = {
    "partition": {"kind": "dirichlet", "devices": DEVICES, "alpha": 0.3},
    "task": {"rounds": 20, "target": {"metric": "accuracy", "value": 0.9}},
}
_ROUND_S = 1800.0
_WHY = {
    "refused": "a value of the update is beyond the task's bound of 256",
    "withdrawn": "its training loss is not a number",
}


@dataclass
class MadeRun:
    """What `write_results` takes."""

    scenario: Scenario
    outcome: Outcome


def made_run(folder: Path, *, rounds: int = 12, evaluated: bool = True, energy: bool = True, seed: int = 1) -> MadeRun:
    """Make one up; `devices.csv` is written into the folder."""
    rng = np.random.default_rng(seed)
    scenario = scenario_from_mapping({**SCENARIO, "seed": seed})
    labels = rng.integers(0, LABELS, 3000)
    examples: dict[str, Any] = {"x": rng.normal(size=(3000, 2)).astype(np.float32), "y": labels.astype(np.int32)}
    partition = make_partition(scenario.settings.partition, Table(examples, None), seed)
    totals = Totals()
    rows = DeviceRows(folder / "devices.csv", totals, METRICS)
    listed = [one for number in range(rounds) for one in _round(rows, number, rng, evaluated=evaluated, energy=energy)]
    rows.close()
    hours = np.cos((np.arange(24) - 3) * np.pi / 12) * 0.4 + 0.45
    specs = tiny_manifest(features=2).weight_specs
    outcome = Outcome(
        manifest=replace(tiny_manifest(features=2), metrics=(PlanMetric("accuracy", "metric_0"),)),
        statistics=partition_statistics(partition, labels, examples),
        available=np.tile(hours, (7, 1)),
        status=task_pb2.TaskStatus(rounds=listed, reason=f"{rounds} rounds done; target accuracy 0.9 not reached"),
        ended=True,
        stopped=None,
        metrics=METRICS,
        totals=totals,
        emulated_s=rounds * _ROUND_S,
        seconds=3.5,
        weights=pack_weights(specs, np.zeros(sum(one.size for one in specs), np.float32)),
        excluded={"its memory is too small": 3},
    )
    return MadeRun(scenario, outcome)


def _round(
    rows: DeviceRows, number: int, rng: np.random.Generator, *, evaluated: bool, energy: bool
) -> list[task_pb2.RoundStatus]:
    at, reached = number * _ROUND_S, 0.92 - 0.75 * np.exp(-number / 4)
    loss = 2.3 * np.exp(-number / 5)
    for device in rng.choice(DEVICES, 13, replace=False):
        how = str(rng.choice(["counted"] * 8 + ["late", "dropped", "left", "refused", "withdrawn"]))
        metrics = {"loss": loss} if how == "counted" else {}
        rows.add(_ending(int(device), 2 * number + 1, 1, how, at, rng, metrics, energy=energy), at)
    one = round_status(
        TRAINING, COMMITTED, number, at=at, until=at + 1000, assigned=13, reported=9, up=90_000, down=130_000,
        metrics={"loss": (100 * loss, 100.0)},
    )  # fmt: skip
    one.number = 2 * number + 1
    if not evaluated:
        return [one]
    found = np.clip(rng.normal(reached, 0.08, 20), 0, 1)
    for device, value in zip(rng.choice(DEVICES, 20, replace=False), found, strict=True):
        metrics = {"accuracy": float(value), "loss": loss * 1.1}
        rows.add(_ending(int(device), 2 * number + 2, 2, "counted", at + 1000, rng, metrics, energy=energy), at + 1000)
    metrics = {"accuracy": (float(found.sum()), 20.0), "loss": (22 * loss, 20.0)}
    other = round_status(
        EVALUATION, COMMITTED, number + 1, at=at + 1000, until=at + 1200, assigned=20, reported=20, up=8000,
        down=200_000, metrics=metrics,
    )  # fmt: skip
    other.number = 2 * number + 2
    return [one, other]


def _ending(
    device: int, number: int, kind: int, how: str, at: float, rng: np.random.Generator, metrics: dict[str, float],
    *, energy: bool,
) -> Ending:  # fmt: skip
    compute, transfer = (timedelta(seconds=float(one)) for one in rng.lognormal([3.0, 1.0], 0.6))
    began: datetime = BEGINNING + timedelta(seconds=at)
    checkpoint = tensors_pb2.ArtifactRef(size_bytes=10_000)
    assignment = aggregator_pb2.Assignment(round_number=number, kind=kind, checkpoint=checkpoint)
    ticket = Ticket(bytes(16), bytes(16), number, kind, began)
    flight = Flight(
        0, device, assignment, b"", ticket, began, began + compute + transfer, Fate.REPORTS, False, 9_000, compute,
        transfer, 6.0 * compute.total_seconds() if energy else 0.0,
    )  # fmt: skip
    return Ending(flight, how, _WHY.get(how, ""), 40, metrics)
