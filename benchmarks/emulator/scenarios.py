"""The scenarios of Fieldfare's side, as files."""

import json
import subprocess
from pathlib import Path

import numpy as np

from benchmarks.emulator.models import DEVICES, images
from benchmarks.emulator.runs import ROOT, python

_HEAD = """\
plan = {plan}
seed = 1
longest = "3650d"

[data]
source = "data.npz"

[partition]
kind = "iid"
devices = {devices}
held_out_share = 0.0

[engine]
workers = {workers}
trainer = {trainer}

[task]
name = "benchmark"
population = "benchmark"
rounds = {rounds}
evaluate_every = 0

[task.training]
goal_count = {clients}
over_selection = 1.0
report_timeout = "36000s"

[task.local]
epochs = 1
"""


def null_scenario(folder: Path, plan: Path, *, clients: int, devices: int, rounds: int, workers: int) -> Path:
    """Devices that compute nothing; each draws one of four examples."""
    features = _features(plan)
    np.savez(folder / "data.npz", x=np.zeros((4, features), np.float32), label=np.zeros((4, 10), np.float32))
    text = _HEAD.replace('kind = "iid"', 'kind = "iid"\ndrawn_per_device = 1')
    return _write(folder, text, plan, "benchmarks.emulator.null_trainer:NullTrainer", clients, devices, rounds, workers)


def training_scenario(folder: Path, plan: Path, *, clients: int, rounds: int, workers: int) -> Path:
    """The MLP on a hundred devices of six hundred examples."""
    x, y = images()
    np.savez(folder / "data.npz", x=x, label=y)
    trainer = "benchmarks.emulator.timed_trainer:TimedTrainer"
    return _write(folder, _HEAD, plan, trainer, clients, DEVICES, rounds, workers)


def export_plan(what: str, path: Path) -> None:
    """In a process of its own, so that TensorFlow is in no other."""
    subprocess.run([python(), "-m", "benchmarks.emulator.models", what, path], check=True, cwd=ROOT)


def _write(
    folder: Path, text: str, plan: Path, trainer: str, clients: int, devices: int, rounds: int, workers: int
) -> Path:
    path = folder / "scenario.toml"
    quoted = {"plan": json.dumps(str(plan)), "trainer": json.dumps(trainer)}
    path.write_text(text.format(**quoted, clients=clients, devices=devices, rounds=rounds, workers=workers))
    return path


def _features(plan: Path) -> int:
    from fieldfare.core.plans import read_manifest

    (spec, _) = read_manifest(plan).example_specs
    return int(spec.shape[0])
