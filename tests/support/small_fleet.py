"""A linear regression over twelve devices: small enough to emulate often."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fieldfare.emulator.emulation import Outcome, emulate
from fieldfare.emulator.scenario import Scenario, scenario_from_mapping
from tests.support.tiny_plan import tiny_plan

DEVICES = 12


@cache
def _plan() -> bytes:
    return tiny_plan(features=2)


def write_fleet(folder: Path, seed: int = 1) -> None:
    """The plan and the examples of `fleet_scenario`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(240, 2)).astype(np.float32)
    y = (x @ np.float32([[1.5], [-2.0]]) + np.float32(0.75)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=y)
    (folder / "plan.tflite").write_bytes(_plan())


def fleet_scenario(folder: Path, engine: dict[str, Any], task: dict[str, Any], **fleet: Any) -> Scenario:
    """Twelve devices of twenty examples; rounds of four."""
    tree = {
        "plan": "plan.tflite",
        "seed": 5,
        "partition": {"devices": DEVICES},
        "fleet": fleet,
        "engine": engine,
        "task": {"rounds": 3, "local": {"learning_rate": 0.05}, "training": {"goal_count": 4}, **task},
    }
    return scenario_from_mapping(tree, folder)


@dataclass(frozen=True)
class Run:
    """What must not depend on engine and transport."""

    weights: str
    emulated_s: float
    ended: dict[str, int]
    devices: bytes
    rounds: tuple[bytes, ...]
    outcome: Outcome = field(compare=False, repr=False)


def run_fleet(scenario: Scenario, folder: Path, **emulating: Any) -> Run:
    """Emulate into a folder."""
    folder.mkdir(exist_ok=True)
    told = {"on_start": lambda _: None, "on_round": lambda _: None, **emulating}
    outcome = emulate(scenario, folder, **told)
    if outcome.stopped is not None:
        raise outcome.stopped
    return Run(
        hashlib.sha256(outcome.weights).hexdigest(),
        outcome.emulated_s,
        dict(outcome.totals.ended),
        (folder / "devices.csv").read_bytes(),
        tuple(one.SerializeToString(deterministic=True) for one in outcome.status.rounds),
        outcome,
    )
