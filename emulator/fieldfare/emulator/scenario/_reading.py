"""A scenario from TOML, and a commented one to begin with."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from fieldfare.core.configuration import build_settings, keys_of, parse_toml, print_settings, with_values
from fieldfare.core.errors import ConfigError
from fieldfare.core.files import read_small
from fieldfare.core.tasks import task_spec_from_mapping
from fieldfare.emulator.scenario._fleet import FleetSettings
from fieldfare.emulator.scenario._scenario import Scenario, Settings

_MODULE = re.compile(r"[\w.]+:\w+")

_HEAD = """\
# A scenario for `fieldfare emulate FILE`: every setting with its default.
# A line that begins with "#" and a key shows a default; remove the "#" to change it.
# Durations are written "50ms", "30s", "10min", "1h", "2d".
"""
_TASK = """\
# What the fleet is asked to do: the keys of `fieldfare task submit --config`, see docs/aggregator.md. Durations in this
# section are written "90s".
[task]

name = "emulated"
population = "emulated"
rounds = 10
evaluate_every = 1

[task.training]

goal_count = 10
over_selection = 1.3
report_timeout = "600s"

[task.local]

epochs = 1
# Default: the plan's own.
#learning_rate = 0.1
# With FEDPROX: how strongly a device is held to the round's weights.
#proximal_mu = 0.0

# One of FEDAVG, FEDAVGM, FEDADAGRAD, FEDADAM, FEDYOGI, FEDPROX, SCAFFOLD, FEDBUFF and DSGD: docs/algorithms.md.
[task.aggregation]

algorithm = "FEDAVG"
# 0.01 to 0.1 is where FEDADAGRAD, FEDADAM and FEDYOGI begin.
#server_learning_rate = 1.0
"""


def read_scenario(path: Path, values: Mapping[str, Any] | None = None) -> Scenario:
    """The file's scenario, with values on top; relative paths are taken from the file's folder.

    Args:
        path: a TOML file.
        values: by dotted name, as they would stand in the file.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    tree = parse_toml(read_small(path, field="scenario"), str(path), "scenario")
    return scenario_from_mapping(with_values(tree, values or {}), path.parent)


def scenario_from_mapping(tree: Mapping[str, Any], folder: Path = Path()) -> Scenario:
    """The same from nested mappings.

    Args:
        tree: as `tomllib` gives it.
        folder: where relative paths begin.

    Raises:
        ConfigError: an unknown key, a value that cannot be.
    """
    task = tree.get("task", {})
    if not isinstance(task, Mapping):
        raise ConfigError(f"must be a table, got {task!r}", field="task")
    if "sweep" in tree:
        raise ConfigError("makes several runs of it: read it with fieldfare.emulator.sweep", field="sweep")
    settings = build_settings(Settings, {key: value for key, value in tree.items() if key != "task"})
    if settings.model.source is not None and "plan" in tree:
        raise ConfigError("name a plan or a model, not both", field="model.source")
    settings = _from_folder(settings, folder)
    try:
        return Scenario(settings, task_spec_from_mapping({"name": "emulated", "population": "emulated", **task}))
    except ConfigError as error:
        problem = str(error).removeprefix(f"{error.field}: ")
        raise ConfigError(problem, field=f"task.{error.field}" if error.field else "task") from error


def _from_folder(settings: Settings, folder: Path) -> Settings:
    """With the relative paths taken from the folder."""
    model = settings.model
    if model.source is not None:
        model = replace(model, source=_place(model.source, folder))
    data = replace(settings.data, source=_place(settings.data.source, folder))
    return replace(
        settings, plan=folder / settings.plan, model=model, data=data, fleet=_fleet_from(folder, settings.fleet)
    )


def _place(source: str, folder: Path) -> str:
    """A file, a folder or "file.py:function" from the folder; the name of a module or of a data set as it is."""
    is_module = _MODULE.fullmatch(source) is not None and ".py:" not in source
    return source if is_module or source.startswith("hub:") else str(folder / source)


def _fleet_from(folder: Path, fleet: FleetSettings) -> FleetSettings:
    paths = {one.name: getattr(fleet.traces, one.name) for one in fields(fleet.traces)}
    named = {name: folder / path for name, path in paths.items() if path is not None}
    return replace(fleet, traces=replace(fleet.traces, **named))


def print_scenario() -> str:
    """A commented file from which `read_scenario` makes the defaults."""
    return f"{print_settings(Settings(), _HEAD, Settings)}\n{_TASK}"


def scenario_values(scenario: Scenario) -> dict[str, Any]:
    """Every setting by its dotted name, as JSON has it; `task` holds the task as a whole, in text."""
    values = {key.name: key.value_in(scenario.settings) for key in keys_of(Settings)}
    plain = {name: _plain(value) for name, value in values.items()}
    return {**plain, "task": text_format.MessageToString(scenario.task.to_proto(), as_one_line=True)}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)
