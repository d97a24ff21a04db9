"""From flags and TOML to a task's specification."""

import argparse
from datetime import timedelta
from typing import Any

from fieldfare.core.configuration import from_toml, parse_toml, with_values
from fieldfare.core.errors import ConfigError
from fieldfare.core.files import read_small
from fieldfare.core.tasks import TaskSpec, task_spec_from_mapping

_FLAGS = {
    "name": "name",
    "population": "population",
    "rounds": "rounds",
    "goal": "training.goal_count",
    "minimum": "training.minimum",
    "epochs": "local.epochs",
    "learning_rate": "local.learning_rate",
    "batch_size": "local.batch_size",
    "max_steps": "local.max_steps",
    "local_metrics": "local.local_metrics",
    "evaluate_every": "evaluate_every",
    "algorithm": "aggregation.algorithm",
    "combiner": "aggregation.combiner",
    "over_selection": "training.over_selection",
    "min_snapshot_updates": "aggregation.min_snapshot_updates",
    "clip_norm": "aggregation.clip_norm",
    "max_norm": "aggregation.max_norm",
    "kind": "kind",
    "draft": "draft",
    "server_learning_rate": "aggregation.server_learning_rate",
}


_DURATIONS = {
    "report_timeout": "training.report_timeout",
    "min_separation": "eligibility.min_separation",
}


def spec_from_options(options: argparse.Namespace) -> TaskSpec:
    """The TOML file's specification, where there is one, with the flags on top.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    field = "--config"
    path = options.config
    tree = {} if path is None else parse_toml(read_small(path, field=field), str(path), field)
    values: dict[str, Any] = {dotted: getattr(options, flag) for flag, dotted in _FLAGS.items()}
    for flag, dotted in _DURATIONS.items():
        if (text := getattr(options, flag)) is not None:
            name = f"--{flag.replace('_', '-')}"
            seconds = from_toml(text, timedelta, nbytes=False, name=name).total_seconds()
            values[dotted] = f"{seconds:f}s"
    if options.encoding is not None:
        values["encoding"] = [options.encoding]
    if options.target is not None:
        values["target.metric"], values["target.value"] = _target(options.target)
    tree = with_values(tree, values)
    for needed in ("name", "population"):
        if needed not in tree:
            raise ConfigError(f"give --{needed}, or `{needed} = ...` in the --config file")
    return task_spec_from_mapping(tree)


def _target(text: str) -> tuple[str, float]:
    metric, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not (metric and equals) or number is None:
        raise ConfigError(f"needs METRIC=VALUE, such as accuracy=0.95, got {text!r}", field="--target")
    return metric, number
