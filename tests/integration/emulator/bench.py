"""A linear regression over twelve devices, to be emulated in one way or another."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.core.weights import unpack_weights
from fieldfare.emulator.emulation import Outcome, emulate
from fieldfare.emulator.scenario import Scenario, scenario_from_mapping
from tests.support.small_fleet import write_fleet

ROUNDS = 4


@dataclass
class Bench:
    """A folder with plan and examples, in which runs leave what they leave."""

    folder: Path

    def scenario(self, **values: Any) -> Scenario:
        tree: dict[str, Any] = {
            "plan": "plan.tflite",
            "seed": 5,
            "partition": {"devices": 12},
            "engine": {"workers": 1},
            "task": {"rounds": ROUNDS, "local": {"learning_rate": 0.05}, "training": {"goal_count": 4}},
        }
        for name, value in values.items():
            *tables, last = name.split("__")
            inner = tree
            for table in tables:
                inner = inner.setdefault(table, {})
            inner[last] = value
        return scenario_from_mapping(tree, self.folder)

    def run(self, name: str, **values: Any) -> Outcome:
        folder = self.folder / name
        folder.mkdir()
        return emulate(self.scenario(**values), folder, on_start=lambda _: None, on_round=lambda _: None)

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name / "devices.csv").open() as file:
            return list(csv.DictReader(file))


def make_bench(folder: Path, seed: int = 1) -> Bench:
    write_fleet(folder, seed)
    return Bench(folder)


def weights_of(outcome: Outcome) -> np.ndarray[Any, np.dtype[np.float32]]:
    return unpack_weights(outcome.weights)[1]
