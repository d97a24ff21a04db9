"""What an emulation may begin with: arrays in memory, and Keras models that are exported before the run."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from fieldfare.core.errors import ConfigError, ModelError, NotFoundError
from fieldfare.core.plans import PlanRuntime, read_manifest
from fieldfare.emulator.emulation import Outcome, emulate
from fieldfare.emulator.model_export import export_model, plan_of
from fieldfare.emulator.scenario import scenario_from_mapping
from tests.support.commands import fieldfare
from tests.support.tiny_plan import tiny_plan

ROWS = 120
X = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
Y = (X @ np.float32([[1.5], [-2.0]]) + np.float32(0.75)).astype(np.float32)
TREE: dict[str, Any] = {
    "seed": 5,
    "partition": {"devices": 6},
    "engine": {"workers": 1},
    "task": {"rounds": 2, "local": {"learning_rate": 0.05}, "training": {"goal_count": 4}},
}


def run(folder: Path, tree: dict[str, Any], **inputs: Any) -> Outcome:
    folder.mkdir()
    return emulate(
        scenario_from_mapping(tree, folder.parent), folder, on_start=lambda _: None, on_round=lambda _: None, **inputs
    )


def test_arrays_in_memory_give_the_bits_of_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "plan.tflite").write_bytes(tiny_plan(features=2))
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    from_file = run(tmp_path / "file", TREE)
    from_memory = run(tmp_path / "memory", TREE, examples={"x": X, "y": Y})
    assert from_memory.weights == from_file.weights
    people = [f"user{index % 5}" for index in range(ROWS)]
    by_person = TREE | {"partition": {"kind": "column"}, "data": {"column": "who", "columns": {"x": "signal"}}}
    outcome = run(tmp_path / "people", by_person, examples={"signal": X.astype(float), "y": Y, "who": people})
    assert outcome.statistics.devices == 5
    assert outcome.ended


MODEL = """

def broken():
    raise RuntimeError("no such weights")

def build():
    import keras
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, name="y")])
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse", metrics=["mae"])
    return model

def uncompiled():
    import keras
    return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, name="y")])
"""


def build() -> Any:
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, name="y")])
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse", metrics=["mae"])
    return model


def test_a_keras_model_stands_for_a_plan(tmp_path: Path) -> None:
    model = build()
    model.save(tmp_path / "model.keras")
    tree = TREE | {"model": {"source": "model.keras", "batch_size": 8}, "data": {"columns": {"label": "y"}}}
    outcome = run(tmp_path / "run", tree, examples={"x": X, "y": Y})
    assert outcome.ended
    plan = (tmp_path / "run" / "plan.tflite").read_bytes()
    assert read_manifest(plan) == outcome.manifest
    assert outcome.manifest.batch_size == 8
    assert np.array_equal(PlanRuntime(plan).get_weights(), np.concatenate([one.ravel() for one in model.get_weights()]))
    # As a run that goes on does: what lies there is the plan.
    scenario = scenario_from_mapping(TREE | {"model": {"source": "gone.keras"}}, tmp_path)
    assert plan_of(scenario, tmp_path / "run").read_bytes() == plan


def test_a_function_that_makes_a_model_is_seeded(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODEL)
    source, weights = f"{tmp_path}/models.py:build", {}
    for name, seed in (("first", 5), ("again", 5), ("other", 2**40)):
        export_model(source, tmp_path / name, seed, {"gradients": True})
        weights[name] = PlanRuntime((tmp_path / name).read_bytes()).get_weights().tolist()
    assert weights["first"] == weights["again"] != weights["other"]
    for source, error, words in (
        (f"{tmp_path}/models.py:uncompiled", ModelError, "cannot be exported"),
        (f"{tmp_path}/models.py:broken", ModelError, "raised RuntimeError: no such weights"),
        (f"{tmp_path}/models.py:none", NotFoundError, "has no function 'none'"),
        (f"{tmp_path}/nowhere.keras", NotFoundError, "there is no file"),
    ):
        with pytest.raises(error, match=words):
            export_model(source, tmp_path / "none", 1, {})


def test_a_plan_and_a_model_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^model\.source: name a plan or a model, not both$"):
        scenario_from_mapping({"plan": "a.tflite", "model": {"source": "a.keras"}})
    for value in ({"source": ""}, {"batch_size": 0}, {"batch_size": 65_537}):
        with pytest.raises(ConfigError, match=r"^model\."):
            scenario_from_mapping({"model": value})
    tree = {"model": {"source": "lab.models:build"}, "data": {"source": "hub:lab/digits"}}
    settings = scenario_from_mapping(tree, tmp_path).settings
    assert (settings.model.source, settings.data.source) == ("lab.models:build", "hub:lab/digits")
    tree = {"model": {"source": "lab/models.py:build"}, "data": {"source": "data.py:make"}}
    settings = scenario_from_mapping(tree, tmp_path).settings
    assert settings.model.source == f"{tmp_path}/lab/models.py:build"
    assert settings.data.source == f"{tmp_path}/data.py:make"


def test_the_command_tells_how_examples_are_spread_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.tflite").write_bytes(tiny_plan(features=2))
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    (tmp_path / "scenario.toml").write_text("[partition]\ndevices = 7\n")
    before = sorted(tmp_path.iterdir())
    done = fieldfare("emulate", "scenario.toml", "--statistics", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "7 devices, 120 examples: 17 to 18 on a device, median 17; 22 are held out"
    assert "                  17          6 ########################################" in lines
    assert any(line.startswith("mean of 'x'") for line in lines)
    assert sorted(tmp_path.iterdir()) == before
