"""One run: a problem, the settings of an algorithm, a seed; what the model reached, round after round."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.algorithms.problems import PROBLEMS
from examples.emulation.centralised import split_of
from fieldfare.core.command import quiet_log, quiet_native_output
from fieldfare.core.configuration import with_values
from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation import emulate
from fieldfare.emulator.results_folder import STATE
from fieldfare.emulator.scenario import scenario_from_mapping
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk.training import LiteRtTrainer

EVERY = 2
_LAST = 5


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be run.

    Attributes:
        problem: one of `PROBLEMS`.
        values: settings of the algorithm, by dotted name.
        seed: of partition, fleet, selection and shuffling.
        rounds: training rounds.
    """

    problem: str
    values: Mapping[str, Any]
    seed: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Curve:
    """What came out.

    Attributes:
        accuracy: over all devices' held-out examples, after every `EVERY` rounds.
        ended: whether all rounds were committed.
        fleet_s: emulated seconds.
    """

    accuracy: tuple[float, ...]
    ended: bool
    fleet_s: float

    @property
    def final(self) -> float:
        """Mean of the last five; 0 where devices could not train on what came out."""
        last = self.accuracy[-_LAST:]
        return sum(last) / len(last) if self.ended else 0.0

    def rounds_to(self, target: float) -> int | None:
        """The first measured round that is at least so good; None for never."""
        return next((EVERY * number for number, one in enumerate(self.accuracy, 1) if one >= target), None)


def carry_out(run: Run, prepared: Path) -> Curve:
    """Emulate.

    Args:
        run: what.
        prepared: folder that holds the problem's `data.npz` and `plan.tflite`.
    """
    settings = {"plan": "plan.tflite", "seed": run.seed, "data": {"source": "data.npz"}}
    if PROBLEMS[run.problem].scenario["partition"]["kind"] == "column":
        settings["data"] = {"source": "data.npz", "column": "device"}
    tree = with_values({**PROBLEMS[run.problem].scenario, **settings}, {**run.values, "task.rounds": run.rounds})
    scenario = scenario_from_mapping(tree, prepared)
    plan, held_out = prepared / "plan.tflite", split_of(scenario).held_out
    trainer = LiteRtTrainer()
    trainer.load(plan, hashlib.sha256(plan.read_bytes()).hexdigest())
    accuracy: list[float] = []
    with tempfile.TemporaryDirectory(prefix="algorithms-") as name, quiet_log(), quiet_native_output():
        folder = Path(name)

        def look(status: task_pb2.TaskStatus) -> None:
            if status.rounds_committed == EVERY * (len(accuracy) + 1):
                file = folder / STATE / "blobs" / "artifacts" / status.checkpoint.sha256.hex()
                _, weights = unpack_weights(file.read_bytes())
                accuracy.append(trainer.evaluate(weights, held_out, interrupt=lambda: "")["accuracy"].mean)

        outcome = emulate(scenario, folder, on_start=lambda _: None, on_round=look)
        return Curve(tuple(accuracy), outcome.ended, outcome.emulated_s)
