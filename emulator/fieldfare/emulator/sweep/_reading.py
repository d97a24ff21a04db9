"""A sweep from a scenario's file, or from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldfare.core.configuration import parse_toml, with_values
from fieldfare.core.errors import ConfigError
from fieldfare.core.files import read_small
from fieldfare.emulator.scenario import Scenario, scenario_from_mapping
from fieldfare.emulator.sweep._axes import Axis, axes_from_table, combinations, describe, folder_name, short_names


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One of the runs.

    Attributes:
        name: of its folder.
        title: for people.
        values: of the axes, by their keys.
        scenario: with these values.
    """

    name: str
    title: str
    values: Mapping[str, Any]
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Sweep:
    """All of them.

    Attributes:
        axes: what is varied; none where one run is all.
        runs: in the order in which they are run.
    """

    axes: tuple[Axis, ...]
    runs: tuple[SweepRun, ...]


def read_sweep(path: Path, values: Mapping[str, Any] | None = None, axes: Sequence[Axis] = ()) -> Sweep:
    """The file's scenario once for each combination of what is varied.

    Args:
        path: a TOML file; its table `[sweep]` may name axes.
        values: on top of the file, by dotted name.
        axes: more of them; one whose key the file varies too takes the place of the file's.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be, too many runs.
    """
    tree = parse_toml(read_small(path, field="scenario"), str(path), "scenario")
    return sweep_from_mapping(with_values(tree, values or {}), axes, path.parent)


def sweep_from_mapping(tree: Mapping[str, Any], axes: Sequence[Axis] = (), folder: Path = Path()) -> Sweep:
    """The same from nested mappings.

    Args:
        tree: as `tomllib` gives it.
        axes: beside those of the table "sweep".
        folder: where relative paths begin.

    Raises:
        ConfigError: an unknown key, a value that cannot be, too many runs.
    """
    given = {axis.key: axis for axis in axes_from_table(tree.get("sweep", {}))}
    if len({axis.key for axis in axes}) < len(axes):
        raise ConfigError("names a key twice", field="--sweep")
    every = tuple((given | {axis.key: axis for axis in axes}).values())
    base = {name: table for name, table in tree.items() if name != "sweep"}
    names = short_names([axis.key for axis in every])
    runs = []
    for values, settings in combinations(every):
        title = describe(values, names)
        runs.append(SweepRun(folder_name(values, names), title, values, _scenario(base, settings, folder, title)))
    return Sweep(every, tuple(runs))


def _scenario(base: Mapping[str, Any], values: Mapping[str, Any], folder: Path, title: str) -> Scenario:
    try:
        return scenario_from_mapping(with_values(base, values), folder)
    except ConfigError as error:
        if not title:
            raise
        problem = str(error).removeprefix(f"{error.field}: ")
        raise ConfigError(f"{problem} (in the run {title})", field=error.field) from error
