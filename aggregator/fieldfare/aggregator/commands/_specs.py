"""From flags and TOML to a task's specification."""

import argparse
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from fieldfare.core.configuration import from_toml
from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import TaskSpec, task_spec_from_mapping

_FLAGS = {
    "name": ("name",),
    "population": ("population",),
    "rounds": ("rounds",),
    "goal": ("training", "goal_count"),
    "minimum": ("training", "minimum"),
    "epochs": ("local", "epochs"),
    "learning_rate": ("local", "learning_rate"),
    "evaluate_every": ("evaluate_every",),
    "algorithm": ("aggregation", "algorithm"),
    "combiner": ("aggregation", "combiner"),
    "over_selection": ("training", "over_selection"),
    "min_snapshot_updates": ("aggregation", "min_snapshot_updates"),
    "clip_norm": ("aggregation", "clip_norm"),
    "max_norm": ("aggregation", "max_norm"),
    "kind": ("kind",),
    "draft": ("draft",),
    "server_learning_rate": ("aggregation", "server_learning_rate"),
}


_DURATIONS = {
    "report_timeout": ("training", "report_timeout"),
    "min_separation": ("eligibility", "min_separation"),
}


def spec_from_options(options: argparse.Namespace) -> TaskSpec:
    """The TOML file's specification, where there is one, with the flags on top.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    tree = {} if options.config is None else _read_toml(options.config)
    for flag, path in _FLAGS.items():
        if (value := getattr(options, flag)) is not None:
            _put(tree, path, value)
    for flag, path in _DURATIONS.items():
        if (text := getattr(options, flag)) is not None:
            name = f"--{flag.replace('_', '-')}"
            seconds = from_toml(text, timedelta, nbytes=False, name=name).total_seconds()
            _put(tree, path, f"{seconds:f}s")
    if options.encoding is not None:
        tree["encoding"] = [options.encoding]
    if options.target is not None:
        metric, value = _target(options.target)
        _put(tree, ("target", "metric"), metric)
        _put(tree, ("target", "value"), value)
    for needed in ("name", "population"):
        if needed not in tree:
            raise ConfigError(f"give --{needed}, or `{needed} = ...` in the --config file")
    return task_spec_from_mapping(tree)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", field="--config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", field="--config") from error


def _put(tree: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *parents, last = path
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError("must be a table", field=parent)
    tree[last] = value


def _target(text: str) -> tuple[str, float]:
    metric, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not (metric and equals) or number is None:
        raise ConfigError(f"needs METRIC=VALUE, such as accuracy=0.95, got {text!r}", field="--target")
    return metric, number
