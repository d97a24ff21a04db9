"""Scenarios: what is printed is read back, what is not known is refused."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import Algorithm
from fieldfare.emulator.scenario import print_scenario, read_scenario, scenario_from_mapping, scenario_values

TEXT = """
plan = "models/a.tflite"
seed = 7

[partition]
kind = "dirichlet"
devices = 12

[fleet]
latency = "20ms"

[task]
rounds = 3

[task.aggregation]
algorithm = "FEDADAM"
"""


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text)
    return path


def test_values_stand_where_they_should_and_paths_begin_at_the_file(tmp_path: Path) -> None:
    found = read_scenario(write(tmp_path), {"partition.devices": 20, "task.rounds": 4, "fleet.dropout": 0.25})
    settings, task = found.settings, found.task
    assert settings.plan == tmp_path / "models/a.tflite"
    assert settings.data.source == str(tmp_path / "data.npz")
    assert (settings.seed, settings.partition.kind, settings.partition.devices) == (7, "dirichlet", 20)
    assert (settings.fleet.latency, settings.fleet.dropout) == (timedelta(milliseconds=20), 0.25)
    assert (task.name, task.population, task.rounds) == ("emulated", "emulated", 4)
    assert task.aggregation.algorithm is Algorithm.FEDADAM


def test_columns_may_be_named_one_by_one(tmp_path: Path) -> None:
    path = write(tmp_path, 'data = {columns = {x = "pixels"}, most_bytes = "1MiB"}')
    found = read_scenario(path, {"data.columns.y": "digit"}).settings.data
    assert (found.columns, found.most_bytes) == ({"x": "pixels", "y": "digit"}, 2**20)
    with pytest.raises(ConfigError, match=r"^data\.columns\.y: must be a text, got 3$"):
        read_scenario(path, {"data.columns.y": 3})
    with pytest.raises(ConfigError, match=r"^data\.columns: must not name a column by nothing$"):
        read_scenario(path, {"data.columns.y": ""})


def test_traces_begin_at_the_file_too(tmp_path: Path) -> None:
    found = read_scenario(write(tmp_path), {"fleet.traces.states": "own/states.csv"}).settings.fleet
    assert found.traces.states == tmp_path / "own/states.csv"
    assert found.traces.networks is None
    assert found.has_states


def test_what_is_printed_is_read_back_as_the_defaults(tmp_path: Path) -> None:
    text = print_scenario()
    printed, nothing = read_scenario(write(tmp_path, text)), read_scenario(write(tmp_path, ""))
    assert printed.settings == nothing.settings
    assert printed.task == nothing.task
    for key in scenario_values(nothing).keys() - {"task"}:
        name = key.rpartition(".")[2]
        at = next(index for index, line in enumerate(text.splitlines()) if line.startswith(f"#{name} ="))
        assert text.splitlines()[at - 1].startswith("# "), f"{key} is not explained"


def test_what_is_printed_names_every_algorithm_and_what_is_tuned_with_it(tmp_path: Path) -> None:
    text = print_scenario()
    assert all(re.search(rf"\b{one.name}\b", text) for one in Algorithm)
    text = text.replace('"FEDAVG"', '"FEDPROX"').replace("#proximal_mu = 0.0", "proximal_mu = 0.5")
    text = text.replace("#server_learning_rate = 1.0", "server_learning_rate = 0.25")
    task = read_scenario(write(tmp_path, text.replace("#learning_rate", "learning_rate"))).task
    assert task.aggregation.algorithm is Algorithm.FEDPROX
    assert (task.local.proximal_mu, task.local.learning_rate) == (0.5, 0.1)
    assert task.aggregation.server_learning_rate == 0.25


@pytest.mark.parametrize(
    ("tree", "field", "words"),
    [
        ({"fleeet": {}}, "fleeet", "did you mean 'fleet'"),
        ({"fleet": {"dropout": 1.0}}, "fleet.dropout", "0 to below 1"),
        ({"fleet": {"upload_mbit_s": 0.0}}, "fleet.upload_mbit_s", "above 0"),
        ({"fleet": {"profile": "tablets"}}, "fleet.profile", "one of plain, phones"),
        ({"fleet": {"utc_offset_h": 15}}, "fleet.utc_offset_h", "must be -12 to 14"),
        ({"fleet": {"conditions": {"on_power": True}}}, "fleet.conditions", "nothing tells the devices' states"),
        ({"fleet": {"conditions": {"idle": True}}}, "fleet.conditions.idle", "there is no such key"),
        ({"fleet": {"conditions": {"min_user_idle": "2d"}}}, "fleet.conditions.min_user_idle", "must be 0 to 1d"),
        ({"fleet": {"profile": "phones", "available_for": "6h"}}, "fleet.available_for", "exclude each other"),
        ({"fleet": {"memory": {"sizes_bytes": ["1GiB"]}}}, "fleet.memory.shares", "must be 1 numbers"),
        ({"fleet": {"memory": {"sizes_bytes": [0], "shares": [1]}}}, "fleet.memory.sizes_bytes", "sizes above 0"),
        ({"fleet": {"memory": {"sizes_bytes": [1], "shares": [0]}}}, "fleet.memory.shares", "nor all of them 0"),
        ({"fleet": {"memory": {"usable_share": 0.0}}}, "fleet.memory.usable_share", "above 0 and at most 1"),
        ({"fleet": {"energy": {"training_w": -1}}}, "fleet.energy.training_w", "must be 0 to 1e6"),
        ({"partition": {"kind": "random"}}, "partition.kind", "one of iid, dirichlet"),
        ({"partition": {"devices": 0}}, "partition.devices", "must be 1 to"),
        ({"partition": {"kind": "column"}}, "data.column", "needs the name of a column"),
        ({"engine": {"workers": 0}}, "engine.workers", "must be 1 to 1024"),
        ({"seed": -1}, "seed", "must be 0 to"),
        ({"longest": "0s"}, "longest", "must be above 0"),
        ({"task": 3}, "task", "must be a table"),
        ({"task": {"rounds": 0}}, "task.rounds", "must be 1 to"),
        ({"task": {"aggregation": {"algorithm": "FEDMAGIC"}}}, "task.aggregation.algorithm", "must be one of FEDAVG"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(tree: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        scenario_from_mapping(tree)
    assert caught.value.field == field
